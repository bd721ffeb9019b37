package alipaytest

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// retries are the pauses between the deliveries of a notice that is not
// acknowledged: 8 deliveries in about 25 hours (opendocs, asynchronous notices).
var retries = []time.Duration{
	4 * time.Minute, 10 * time.Minute, 10 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour,
}

// Deliver posts every notice that is due by the fake's clock, one after the
// other in the order of their events, and waits for each answer. It returns how
// many posts were made, at the latest when ctx ends.
func (a *Alipay) Deliver(ctx context.Context) int {
	posts := 0
	for ctx.Err() == nil {
		n := a.take()
		if n == nil {
			break
		}
		a.post(ctx, n)
		posts++
	}
	return posts
}

// Advance moves the fake's clock forward by d, without waiting: from one thing
// that falls due to the next, at each of which it delivers notices, waiting for
// their answers, and lets red packets expire. The application's own clock is not
// moved, so the fake keeps measuring the timestamps of requests by [Config].Now.
func (a *Alipay) Advance(d time.Duration) {
	a.advancing.Lock()
	defer a.advancing.Unlock()
	a.mu.Lock()
	end := a.offset + d
	a.mu.Unlock()
	for {
		a.Deliver(noContext)
		a.mu.Lock()
		next, some := a.next()
		offset := next.Sub(a.now())
		if !some || offset > end {
			a.offset = max(a.offset, end)
			a.mu.Unlock()
			break
		}
		a.offset = max(a.offset, offset)
		a.mu.Unlock()
	}
	a.Deliver(noContext) // what time itself made due meanwhile
}

// Run delivers notices as they fall due, in real time, until ctx ends.
func (a *Alipay) Run(ctx context.Context) {
	wake := make(chan struct{}, 1)
	a.mu.Lock()
	a.wake = append(a.wake, wake)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.wake = slices.DeleteFunc(a.wake, func(c chan struct{}) bool { return c == wake })
	}()
	for ctx.Err() == nil {
		a.Deliver(ctx)
		pause := time.Hour // nothing is due: something will wake it
		a.mu.Lock()
		if next, some := a.next(); some {
			pause = next.Sub(a.clock())
		}
		a.mu.Unlock()
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// wakeUp tells every Run that there is something new. a.mu is held.
func (a *Alipay) wakeUp() {
	for _, wake := range a.wake {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// next returns when the next thing falls due. a.mu is held.
func (a *Alipay) next() (at time.Time, some bool) {
	at = a.nextExpiry
	for _, late := range a.underway {
		if at.IsZero() || late.at.Before(at) {
			at = late.at
		}
	}
	for _, n := range a.outstanding {
		if n.free() && (at.IsZero() || n.Due.Before(at)) {
			at = n.Due
		}
	}
	return at, !at.IsZero()
}

// free tells whether nobody is about to post n.
func (n *notice) free() bool { return !n.busy && !n.early }

// take returns the notice to be posted now, if there is one, as busy.
func (a *Alipay) take() *notice {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock()
	a.expire(now)
	a.arrive(now)
	var first *notice
	for _, n := range a.outstanding {
		if !n.free() || n.Due.After(now) {
			continue
		}
		if first == nil || n.Due.Before(first.Due) || n.Due.Equal(first.Due) && n.order < first.order {
			first = n
		}
	}
	if first != nil {
		first.busy = true
	}
	return first
}

// takeEarly returns the notices that the call itself must post. a.mu is held.
func (a *Alipay) takeEarly() []*notice {
	var early []*notice
	for _, n := range a.outstanding {
		if n.early {
			n.early, n.busy = false, true
			early = append(early, n)
		}
	}
	return early
}

// noContext is for what no caller waits for or can end.
var noContext = context.Background()

// post delivers n once; n is busy and belongs to the caller.
func (a *Alipay) post(ctx context.Context, n *notice) {
	a.mu.Lock()
	now := a.clock()
	client := a.client
	if a.host != nil {
		client = a.host
	}
	a.mu.Unlock()

	d := Delivery{At: now, Form: a.form(n, now)}
	d.Status, d.Body, d.Err = send(ctx, client, n.URL, d.Form, n.gbk)
	// "success", no more and no less (opendocs, asynchronous notices).
	d.Acknowledged = d.Status == http.StatusOK && d.Body == "success"

	a.mu.Lock()
	defer a.mu.Unlock()
	n.busy = false
	n.Deliveries = append(n.Deliveries, d)
	switch {
	case d.Acknowledged && n.again:
		n.again, n.Acknowledged = false, true
	case d.Acknowledged:
		n.Acknowledged, n.Due = true, time.Time{}
	case n.tries < len(retries):
		n.Due = now.Add(retries[n.tries])
		n.tries++
	default:
		n.Due = time.Time{}
	}
	if n.Due.IsZero() {
		a.outstanding = slices.DeleteFunc(a.outstanding, func(o *notice) bool { return o == n })
	}
	a.wakeUp()
}

func send(ctx context.Context, client *http.Client, to, form string, gbk bool) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form))
	if err != nil {
		return 0, "", err
	}
	charset := "utf-8"
	if gbk {
		charset = "GBK"
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset="+charset)
	answer, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	return answer.StatusCode, string(text), err
}
