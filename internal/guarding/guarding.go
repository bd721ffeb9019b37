// Package guarding goes no further where a host's guard has refused.
package guarding

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// passed is the key by which the request's context says that what stands behind the guard
// was reached: the guard went on by itself, by Next.
const passed = "alirefund.passed"

// Behind returns the guard, and ends there what it has answered: a guard that refuses
// without Abort, as c.JSON alone does, would let the request go on to move money. left is
// told of it, for the host's log.
func Behind(guard gin.HandlerFunc, left func(*gin.Context)) []gin.HandlerFunc {
	return []gin.HandlerFunc{func(c *gin.Context) {
		before := c.Writer.Written()
		guard(c)
		answered := !before && c.Writer.Written() || c.Writer.Status() >= http.StatusBadRequest
		if answered && !c.IsAborted() && !c.GetBool(passed) {
			c.Abort()
			left(c)
		}
	}, func(c *gin.Context) { c.Set(passed, true) }}
}
