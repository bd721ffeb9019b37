package sqlstore

import "sync"

// turns is whose turn it was last.
type turns struct {
	mu   sync.Mutex
	last string
}

func (t *turns) get() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

func (t *turns) set(last string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = last
}
