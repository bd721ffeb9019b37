package gateway

import (
	"sync"
	"time"
)

// After a fetch that failed there is a pause, which doubles.
const (
	firstRest = time.Second
	lastRest  = 10 * time.Minute
)

// fetching is the one fetch of a certificate that may be under way.
type fetching struct {
	mu     sync.Mutex
	flight chan struct{} // closed when it ends; nil while there is none
	rest   time.Duration // the pause after the last failure
	until  time.Time     // when that pause ends
}

// land ends a fetch, and returns the pause until the next one.
func (f *fetching) land(fetched bool) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.flight)
	f.flight = nil
	if fetched {
		f.rest = 0
	} else {
		f.rest = min(max(2*f.rest, firstRest), lastRest)
	}
	f.until = time.Now().Add(f.rest)
	return f.rest
}
