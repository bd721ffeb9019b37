package alirefund

import "github.com/gin-gonic/gin"

// Plugin is a part of the module in the form that gin-vue-admin's plugins have.
type Plugin struct {
	path     string
	register func(gin.IRouter)
}

// Register mounts the plugin's routes.
func (p *Plugin) Register(group *gin.RouterGroup) { p.register(group) }

// RouterPath is the path of the group that Register is called with.
func (p *Plugin) RouterPath() string { return p.path }

// RefundPlugin is [Module.MountRefunds] as a plugin of gin-vue-admin's.
func (m *Module) RefundPlugin(path string, guard gin.HandlerFunc) *Plugin {
	return &Plugin{path, func(r gin.IRouter) { m.MountRefunds(r, guard) }}
}

// NotifyPlugin is [Module.MountNotify] as a plugin of gin-vue-admin's, for its
// public group.
func (m *Module) NotifyPlugin(path string) *Plugin { return &Plugin{path, m.MountNotify} }
