// Package utils stands in for gin-vue-admin's of the same name, so that the plugin
// compiles. Do not copy it.
package utils

import "github.com/flipped-aurora/gin-vue-admin/server/model/system"

// What was registered.
var (
	Apis  []system.SysApi
	Menus []system.SysBaseMenu
)

// RegisterApis makes routes known to the page on which roles are allowed them.
func RegisterApis(apis ...system.SysApi) { Apis = append(Apis, apis...) }

// RegisterMenus makes menus, the first of which is the others' parent.
func RegisterMenus(menus ...system.SysBaseMenu) { Menus = append(Menus, menus...) }
