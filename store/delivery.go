package store

import (
	"slices"
	"strings"
)

// Which events are true of a refund, and which of them the host has heard. An event is
// heard by the host's own function for it, and by each of its named subscribers, who
// have a delivery of their own.

// For is the event as the subscriber of that name hears it: refund_succeeded@books.
func (e Event) For(subscriber string) Event {
	if subscriber == "" {
		return e
	}
	return e + "@" + Event(subscriber)
}

// Split returns the event itself, and the name of the subscriber who hears it; none for
// the host's own function.
func (e Event) Split() (event Event, subscriber string) {
	name, subscriber, _ := strings.Cut(string(e), "@")
	return Event(name), subscriber
}

// Due returns the events that are true of the refund and not yet delivered to the
// host's own functions.
func (r Refund) Due() []Event {
	return r.undelivered([]Event{RefundSucceeded, RefundFailed, RefundUnresolved})
}

// DueToNamed returns the same of its named subscribers, who are waited for by nobody.
func (r Refund) DueToNamed() []Event { return r.undelivered(r.Subscribed) }

// Undelivered tells whether anybody has still to hear of the refund.
func (r Refund) Undelivered() bool { return len(r.Due()) > 0 || len(r.DueToNamed()) > 0 }

func (r Refund) undelivered(events []Event) (due []Event) {
	for _, event := range events {
		if r.True(event) && !r.delivery(event).Done {
			due = append(due, event)
		}
	}
	return due
}

// True tells whether the event is what the host, or the subscriber whom the event
// names, should believe now. It is not true for one who has not subscribed.
func (r Refund) True(event Event) bool {
	base, subscriber := event.Split()
	if subscriber != "" && !slices.Contains(r.Subscribed, event) {
		return false
	}
	switch base {
	case RefundSucceeded:
		return r.State == Succeeded
	case RefundFailed:
		return r.State == Failed && !r.NothingSent()
	case RefundUnresolved:
		return r.Attention != ""
	}
	return false
}

// WasDelivered tells whether the host, or the subscriber, has heard of the event.
func (r Refund) WasDelivered(event Event) bool { return r.delivery(event).Done }

// Delivery returns how far the event has come.
func (r Refund) Delivery(event Event) Delivery { return r.delivery(event) }

func (r Refund) delivery(event Event) Delivery {
	for _, d := range r.Deliveries {
		if d.Event == event {
			return d
		}
	}
	return Delivery{Event: event}
}

func (r *Refund) setDelivery(d Delivery) {
	for i := range r.Deliveries {
		if r.Deliveries[i].Event == d.Event {
			r.Deliveries[i] = d
			return
		}
	}
	r.Deliveries = append(r.Deliveries, d)
}

// forget drops what became of the event's deliveries, to whomever: it may come true
// once more, and then is told once more.
func (r *Refund) forget(event Event) {
	r.Deliveries = slices.DeleteFunc(r.Deliveries, func(d Delivery) bool { return d.Event == event })
	for n, d := range r.Deliveries {
		if base, _ := d.Event.Split(); base == event {
			r.Deliveries[n] = Delivery{Event: d.Event, Renewed: d.Renewed + 1}
		}
	}
}
