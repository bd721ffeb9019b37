package main

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

// readiness is what a load balancer is told, by GET /readyz, of whether to send more
// requests here.
type readiness struct {
	// drain is how long a shop that is to stop still serves what comes, so that the
	// balancer notices meanwhile.
	drain   time.Duration
	leaving atomic.Bool
}

func (r *readiness) get(c *gin.Context) {
	if r.leaving.Load() {
		c.String(http.StatusServiceUnavailable, "stopping")
		return
	}
	c.String(http.StatusOK, "ready")
}

// leave says from now on that nothing more is to be sent here, and waits until
// whoever sends has noticed.
func (r *readiness) leave() {
	r.leaving.Store(true)
	<-time.After(r.drain)
}
