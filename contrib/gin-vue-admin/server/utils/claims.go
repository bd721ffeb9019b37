// Package utils stands in for gin-vue-admin's of the same name, so that the plugin
// compiles. Do not copy it.
package utils

import "github.com/gin-gonic/gin"

// GetUserName is who is logged in.
func GetUserName(c *gin.Context) string { return c.GetHeader("User") }
