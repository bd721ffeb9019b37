// Package system stands in for gin-vue-admin's of the same name, so that the plugin
// compiles. Do not copy it.
package system

// SysApi is a route that roles are allowed.
type SysApi struct{ Path, Description, ApiGroup, Method string } //nolint:revive // its names

// SysBaseMenu is an entry of the menu.
type SysBaseMenu struct {
	ParentId  uint //nolint:revive // its name
	Path      string
	Name      string
	Hidden    bool
	Component string
	Sort      int
	Meta
}

// Meta is how it is shown.
type Meta struct{ Title, Icon string }
