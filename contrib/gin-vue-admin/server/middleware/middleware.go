// Package middleware stands in for gin-vue-admin's of the same name, so that the plugin
// compiles. Do not copy it.
package middleware

import "github.com/gin-gonic/gin"

// JWTAuth refuses as gin-vue-admin's does: with status 200.
func JWTAuth() gin.HandlerFunc { return guard("JWTAuth") }

// MustChangePwdGuard is next in the chain of private routes.
func MustChangePwdGuard() gin.HandlerFunc { return guard("MustChangePwdGuard") }

// CasbinHandler is next in the chain of private routes.
func CasbinHandler() gin.HandlerFunc { return guard("CasbinHandler") }

// DataScope is last in the chain of private routes.
func DataScope() gin.HandlerFunc { return guard("DataScope") }

// guard refuses a request whose header names it, and notes that it was passed.
func guard(name string) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Writer.Header().Add("Passed", name)
		if c.GetHeader("Refused-By") == name {
			c.AbortWithStatusJSON(200, gin.H{"code": 7, "data": gin.H{}, "msg": name})
		}
	}
}
