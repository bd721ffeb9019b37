// Package plugin stands in for gin-vue-admin's of the same name, so that the plugin
// compiles. Do not copy it.
package plugin

import "github.com/gin-gonic/gin"

// Plugin is what gin-vue-admin asks of one.
type Plugin interface {
	Register(group *gin.Engine)
}

var registered []Plugin

// Register is called by a plugin's init.
func Register(p Plugin) { registered = append(registered, p) }

// Registered is what has registered.
func Registered() []Plugin { return registered }
