package sqlstore

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// machine is a process with a clock of its own beside a database with another.
type machine struct {
	ahead     time.Duration // of the process's clock, as it was set
	suspended time.Duration // so long its other clock stood still
	answers   time.Duration // how long the database takes
	down      bool
	mu        sync.Mutex
	asked     int
}

func (m *machine) clock() *clock {
	began := time.Now()
	return &clock{
		process: func() moment {
			return moment{time.Now().Add(m.ahead), time.Since(began) - m.suspended}
		},
		ask: func(context.Context) (int64, error) {
			m.mu.Lock()
			m.asked++
			m.mu.Unlock()
			at := time.Now()
			time.Sleep(m.answers)
			if m.down {
				return 0, errors.New("it is down")
			}
			return at.UnixMicro(), nil
		},
	}
}

func (m *machine) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// The process's clock says nothing about the time, and how often the database is
// asked does not depend on how often it is wanted.
func TestClockIsTheDatabases(t *testing.T) {
	for _, ahead := range []time.Duration{-10 * time.Minute, 0, 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			m := &machine{ahead: ahead, answers: 40 * time.Millisecond}
			c := m.clock()
			for range 100 {
				got, err := c.now(t.Context())
				if behind := time.Since(got); err != nil || behind < 0 || behind > m.answers+time.Microsecond {
					t.Fatalf("with a clock ahead by %v it is %v behind, %v", ahead, behind, err)
				}
				time.Sleep(time.Second)
			}
			if n := m.count(); n > 100/15+2 {
				t.Errorf("in 100 s the database was asked %d times", n)
			}
		})
	}
}

// A process whose clock was set, or that was suspended, asks at once.
func TestClockThatJumped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		c := m.clock()
		for asked, happens := range []func(){
			func() {},
			func() { m.ahead = -10 * time.Minute },
			func() { m.ahead = 0 },
			func() { m.suspended = 5 * time.Second; time.Sleep(m.suspended) },
		} {
			happens()
			got, err := c.now(t.Context())
			if behind := time.Since(got); err != nil || behind > time.Millisecond || m.count() != asked+1 {
				t.Errorf("it is %v behind, %v, asked %d times; want %d", behind, err, m.count(), asked+1)
			}
		}
	})
}

// While somebody asks, the others go on by what they know, but not for long.
func TestClockOfASlowDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		c := m.clock()
		if _, err := c.now(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(fresh)
		m.answers, m.down = 10*time.Second, true
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if _, err := c.now(t.Context()); err == nil {
				t.Error("the database is down, and says the time")
			}
		})
		synctest.Wait()
		if got, err := c.now(t.Context()); err != nil || time.Since(got) > time.Millisecond {
			t.Errorf("beside one who asks: %v, %v", got, err)
		}
		waiting.Wait()
		time.Sleep(stale)
		if _, err := c.now(t.Context()); err == nil {
			t.Error("the last reading is old, and is used")
		}
	})
}

// A reading that took long says too little: when a question is late enough is told by
// such times.
func TestClockReadsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{answers: slowest}
		if _, err := m.clock().now(t.Context()); err == nil || m.count() != 3 {
			t.Errorf("%v, asked %d times", err, m.count())
		}
	})
}
