package main

import "time"

// leave says from now on, by GET /readyz, that nothing more is to be sent to this
// process, and waits for as long as a load balancer takes to notice.
func leave(m interface{ Drain() }, drain time.Duration) {
	m.Drain()
	<-time.After(drain)
}
