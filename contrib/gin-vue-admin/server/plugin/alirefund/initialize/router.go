package initialize

import (
	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"

	"github.com/flipped-aurora/gin-vue-admin/server/global"
	"github.com/flipped-aurora/gin-vue-admin/server/middleware"
	"github.com/flipped-aurora/gin-vue-admin/server/plugin/alirefund/api"
)

// Router mounts what refunds behind gin-vue-admin's guards, and what listens before them:
// Alipay has no login, and wants success and no envelope.
func Router(engine *gin.Engine, m *alirefund.Module) {
	public := engine.Group(global.GVA_CONFIG.System.RouterPrefix).Group("alirefund")
	private := engine.Group(global.GVA_CONFIG.System.RouterPrefix).Group("alirefund")
	private.Use(middleware.JWTAuth()).Use(middleware.MustChangePwdGuard()).Use(middleware.CasbinHandler()).Use(middleware.DataScope())
	private.Use(api.Envelope)
	m.MountRefunds(private, api.Actor)
	m.MountNotify(public)
}
