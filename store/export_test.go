package store

// Entries returns how many keys the claims hold, and how many ends of theirs
// wait, expired ones included.
func (m *Memory) Entries() (keys, ends int) { return m.claims.entries() }

// Rows returns how many refunds the ledger holds, expired ones included, and
// how many numbers its index.
func (m *Memory) Rows() (rows, numbers int) {
	m.ledger.rows.mu.Lock()
	defer m.ledger.rows.mu.Unlock()
	return m.ledger.rows.items.ItemCount(), len(m.ledger.index)
}

// Remembered returns how many completed keys stand before a store.
func Remembered(c Claims) int {
	keys, _ := c.(*remembering).done.entries()
	return keys
}

func (e *expiring) entries() (keys, ends int) {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		keys += s.items.ItemCount()
		for _, slot := range s.ends {
			ends += len(slot.keys)
		}
		s.mu.Unlock()
	}
	return keys, ends
}
