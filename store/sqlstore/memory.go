package sqlstore

import "sync"

const maxMemory = 1000 // rows

// memory is what this process wrote last of some refunds, so that the next step
// of one need not read it first: if it has changed since, the write fails, and
// the step is taken again from what the database says.
type memory struct {
	mu   sync.Mutex
	rows map[string]row
}

func (m *memory) keep(r row) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows == nil || len(m.rows) >= maxMemory {
		m.rows = make(map[string]row)
	}
	m.rows[r.ID] = r
}

// take returns the row and forgets it.
func (m *memory) take(id string) (r row, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, known = m.rows[id]
	delete(m.rows, id)
	return r, known
}
