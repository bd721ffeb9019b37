// Package alirefund is a plugin of gin-vue-admin's, of its second interface, that refunds
// through Alipay. Copy this folder, and not its neighbours, which stand in for
// gin-vue-admin's own.
package alirefund

import (
	"context"

	"github.com/gin-gonic/gin"

	"github.com/flipped-aurora/gin-vue-admin/server/global"
	"github.com/flipped-aurora/gin-vue-admin/server/plugin/alirefund/initialize"
	interfaces "github.com/flipped-aurora/gin-vue-admin/server/utils/plugin/v2"
)

var _ interfaces.Plugin = (*plugin)(nil)

// Plugin is registered by importing this package.
var Plugin = new(plugin)

type plugin struct{}

func init() { interfaces.Register(Plugin) }

// Register adds the routes, the menu and the APIs, and begins to settle what is
// unresolved, until the process ends. Without a configuration that holds it adds nothing,
// and says so: the rest of the administration goes on.
func (*plugin) Register(engine *gin.Engine) {
	ctx := context.Background()
	m, err := initialize.Module(ctx)
	if err != nil {
		global.GVA_LOG.Error("alirefund: the plugin is off: " + err.Error())
		return
	}
	initialize.APIs()
	initialize.Menu()
	initialize.Router(engine, m)
	go m.Run(ctx)
}
