package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// event is one call of a hook, as GET /events shows it and the events file keeps
// it. Every field is there; an empty text is what is not known or does not apply.
type event struct {
	ID           string      `json:"id"`    // the refund's, or the notification's notify_id
	Event        store.Event `json:"event"` // refund_succeeded, refund_failed, refund_unresolved, notification
	Kind         store.Kind  `json:"kind"`  // trade, coupon
	OutTradeNo   string      `json:"out_trade_no"`
	AuthNo       string      `json:"auth_no"`
	OutRequestNo string      `json:"out_request_no"`
	// Amount is this refund's, or what the notification's trade was paid with,
	// with two decimals.
	Amount string       `json:"amount"`
	Source store.Source `json:"source"` // whose word it is: answer, notice, query
	At     time.Time    `json:"at"`     // of the call, RFC 3339
}

// notification is the event of a notice that is no refund.
const notification store.Event = "notification"

func refundEvent(name store.Event, r store.Refund) event {
	e := event{
		ID: r.ID, Event: name, Kind: r.Kind,
		OutTradeNo: r.OutTradeNo, AuthNo: r.AuthNo, OutRequestNo: r.OutRequestNo,
		Source: r.Source, At: time.Now().UTC(),
	}
	if r.Amount != 0 {
		e.Amount = r.Amount.String()
	}
	for i := len(r.History) - 1; i >= 0 && e.Source == ""; i-- { // unresolved: the last word there was
		switch what := store.Source(r.History[i].What); what {
		case store.ByAnswer, store.ByNotice, store.ByQuery:
			e.Source = what
		}
	}
	return e
}

func notificationEvent(n *notify.Notification) event {
	e := event{
		ID: n.ID, Event: notification,
		OutTradeNo: n.OutTradeNo(), AuthNo: n.AuthNo(), OutRequestNo: n.OutRequestNo(),
		Source: store.ByNotice, At: time.Now().UTC(),
	}
	amount, known := n.TotalAmount()
	switch {
	case e.OutTradeNo != "":
		e.Kind = store.Trade
	case e.AuthNo != "":
		e.Kind = store.Coupon
		amount, known = n.Amount()
	}
	if known {
		e.Amount = amount.String()
	}
	return e
}

// mostEvents is how many calls of hooks GET /events shows: the newest.
const mostEvents = 10_000

// eventLog keeps the newest calls of the hooks of this run, and appends all of them to a
// file if it has one. It is safe for concurrent use.
type eventLog struct {
	mu     sync.Mutex
	events []event
	file   *os.File // or nil
}

// openEventLog opens the file of that name, if there is a name.
func openEventLog(name string) (*eventLog, error) {
	l := &eventLog{events: []event{}}
	if name == "" {
		return l, nil
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // whoever starts the shop names it
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(errors.New("it is not a regular file"), err, file.Close())
	}
	l.file = file
	return l, l.endLine(info.Size())
}

// endLine ends a line that a kill tore: its hook never returned, and is called again.
func (l *eventLog) endLine(size int64) error {
	last := make([]byte, 1)
	if size == 0 {
		return nil
	}
	if _, err := l.file.ReadAt(last, size-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err := l.file.WriteString("\n")
	return err
}

// add writes an event down for good before it returns: a hook that returned nil
// is not called again.
func (l *eventLog) add(e event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		if _, err := l.file.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("events: %w", err)
		}
		if err := l.file.Sync(); err != nil {
			return fmt.Errorf("events: %w", err)
		}
	}
	if l.events = append(l.events, e); len(l.events) >= 2*mostEvents {
		l.events = slices.Clone(l.events[len(l.events)-mostEvents:])
	}
	return nil
}

func (l *eventLog) list() []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events[max(0, len(l.events)-mostEvents):])
}

// Close closes the file.
func (l *eventLog) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
