package store

// Which events are true of a refund, and which of them the host has heard.

// Due returns the events that are true of the refund and not yet delivered.
func (r Refund) Due() []Event {
	var due []Event
	for _, event := range [...]Event{RefundSucceeded, RefundFailed, RefundUnresolved} {
		if r.True(event) && !r.delivery(event).Done {
			due = append(due, event)
		}
	}
	return due
}

// True tells whether the event is what the host should believe now.
func (r Refund) True(event Event) bool {
	switch event {
	case RefundSucceeded:
		return r.State == Succeeded
	case RefundFailed:
		return r.State == Failed && !r.NothingSent()
	case RefundUnresolved:
		return r.Attention != ""
	}
	return false
}

// WasDelivered tells whether the host has heard of the event.
func (r Refund) WasDelivered(event Event) bool { return r.delivery(event).Done }

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
