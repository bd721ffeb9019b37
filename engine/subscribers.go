package engine

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/alirefund/alirefund/store"
)

// subscribers are those of a configuration.
type subscribers struct {
	list    []Subscriber
	byEvent map[store.Event]Subscriber // by [store.Event.For]
	events  []store.Event              // what is recorded with a new refund
	queues  map[string]*queue          // by name
}

func newSubscribers(list []Subscriber) subscribers {
	s := subscribers{list: list, byEvent: map[store.Event]Subscriber{}, queues: map[string]*queue{"": newQueue(mostAtOnce)}}
	for _, one := range list {
		event := one.Event.For(one.Name)
		s.byEvent[event] = one
		switch {
		case one.CallTx != nil:
			s.queues[one.Name] = newQueue(mostTxAtOnce)
		case s.queues[one.Name] == nil:
			s.queues[one.Name] = newQueue(mostAtOnce)
		}
		if !one.Retired {
			s.events = append(s.events, event)
		}
	}
	return s
}

// queueOf returns the calls of whom the event names; those of unknown ones are together.
func (s subscribers) queueOf(event store.Event) *queue {
	_, name := event.Split()
	if q, known := s.queues[name]; known {
		return q
	}
	return s.queues[""]
}

// errNoSubscriber: another process recorded the refund, which has more subscribers.
var errNoSubscriber = errors.New("Config.Subscribers of this process has no such subscriber")

// call calls the subscriber whom the event names. It fails with errNoSubscriber for one
// that is not known.
func (s subscribers) call(ctx context.Context, event store.Event, r store.Refund) error {
	one, known := s.byEvent[event]
	switch {
	case !known:
		return errNoSubscriber
	case one.Retired:
		return nil
	}
	return one.Call(ctx, deliveryOf(event, r))
}

// deliveryOf is what a subscriber is told.
func deliveryOf(event store.Event, r store.Refund) Delivery {
	base, _ := event.Split()
	d := Delivery{ID: r.ID + "." + string(base), Event: base, Refund: r.Clone()}
	if n := r.Delivery(event).Renewed; n > 0 {
		d.ID += "." + strconv.Itoa(n)
	}
	if base == store.RefundUnresolved {
		d.Reason = r.Attention
	}
	return d
}

const (
	// mostAtOnce bounds the calls of one subscriber in this process at once: one that
	// hangs holds up no other.
	mostAtOnce = 16
	// mostTxAtOnce is the same for one that is called within transactions: each holds a
	// connection and the refund's row, and on SQLite whoever else writes.
	mostTxAtOnce = 2
	// mostWaiting bounds those that wait for their turn. What is beyond that stays due.
	mostWaiting = 1000
)

// queue is the calls of one subscriber.
type queue struct {
	places  chan struct{}
	waiting atomic.Int32
}

func newQueue(places int) *queue { return &queue{places: make(chan struct{}, places)} }

// enter takes a place, if there is one at once.
func (q *queue) enter() bool {
	select {
	case q.places <- struct{}{}:
		return true
	default:
		return false
	}
}

// await takes a place, which is waited for no longer than that, and not after stop.
func (q *queue) await(wait time.Duration, stop <-chan struct{}) bool {
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > mostWaiting {
		return false
	}
	select {
	case q.places <- struct{}{}:
		return true
	case <-time.After(wait):
	case <-stop:
	}
	return false
}
