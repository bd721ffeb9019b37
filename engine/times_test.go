package engine

import (
	"testing"
	"time"
)

// What the monotonic clock slept through, the wall clock tells.
func TestElapsed(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		name  string
		since time.Time
		least time.Duration
	}{
		{"by both clocks", now.Add(-time.Minute), time.Minute},
		{"by the wall clock alone", now.Round(0).Add(-time.Hour), time.Hour},
		{"the wall clock was set back", now, 0},
	} {
		if got := elapsed(test.since); got < test.least || got > test.least+time.Minute {
			t.Errorf("%s: %v; want %v", test.name, got, test.least)
		}
	}
}
