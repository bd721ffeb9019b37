package shoptest

import (
	"strings"
	"sync"
)

// Log keeps what is logged. It may be written by timers while a test reads it.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Lines returns the lines that hold a word.
func (l *Log) Lines(word string) (found []string) {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return found
}

// Reset forgets what was logged until now.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}
