package engine

import (
	"log/slog"
	"sync"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/notify"
)

// application is one application with what calls Alipay and listens for it. It is never
// changed, only replaced.
type application struct {
	app      App // with Config's values where it has none of its own
	products []product
	gateway  *gateway.Client
	receiver *notify.Receiver
	log      *slog.Logger
	// lost is why its keys cannot be had: then it has neither gateway nor receiver.
	lost error
}

const (
	// appsAge is how long an answer of Config.Apps is good.
	appsAge = time.Minute
	// appsDoubted is how old it may be where a signature does not verify by it, and how
	// soon Config.Apps is asked again after it failed.
	appsDoubted = 5 * time.Second
	// appsUnknown is how long it is remembered that there is no such application, and
	// mostUnknown of how many.
	appsUnknown = 10 * time.Second
	mostUnknown = 1000
	// mostStrangers bounds how often in a second Config.Apps is asked about app_ids that
	// only an unverified notification names, which anybody can write.
	mostStrangers = 20
)

// applications is what Config.Apps said, by app_id.
type applications struct {
	mu      sync.Mutex
	known   map[string]*known
	flights map[string]*flight
	unknown map[string]time.Time // until when they are taken for that

	second    time.Time // in which so many
	strangers int       // were asked about
}

// known is an application that Config.Apps knows.
type known struct {
	*application
	said    time.Time // when Config.Apps said so last
	asked   time.Time // when it was asked last
	failing bool      // it has failed since, and that was logged
}

// flight is one question to Config.Apps, for all who want to know.
type flight struct {
	ended  chan struct{}
	answer *application
	err    error
}

// get returns what is known, not older than age unless Config.Apps fails or is being
// asked; else the question to wait for; else it begins one, which the caller makes.
func (a *applications) get(id string, age time.Duration, stranger bool) (answer *application, under, begun *flight, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	k, asked := a.known[id], a.flights[id]
	switch {
	case k != nil && (asked != nil || now.Sub(k.said) < age || now.Sub(k.asked) < min(age, appsDoubted)):
		return k.application, nil, nil, nil
	case asked != nil:
		return nil, asked, nil, nil
	case k == nil && now.Before(a.unknown[id]):
		return nil, nil, nil, unknownApp(id)
	case k == nil && stranger && !a.admit(now):
		return nil, nil, nil, errStrangers
	}
	if k != nil {
		k.asked = now
	}
	if a.flights == nil {
		a.known, a.flights, a.unknown = map[string]*known{}, map[string]*flight{}, map[string]time.Time{}
	}
	begun = &flight{ended: make(chan struct{})}
	a.flights[id] = begun
	return nil, nil, begun, nil
}

// admit tells whether one more stranger may be asked about.
func (a *applications) admit(now time.Time) bool {
	if now.Sub(a.second) >= time.Second {
		a.second, a.strangers = now, 0
	}
	a.strangers++
	return a.strangers <= mostStrangers
}

// last returns what Config.Apps said last, or nil.
func (a *applications) last(id string) *application {
	a.mu.Lock()
	defer a.mu.Unlock()
	if k := a.known[id]; k != nil {
		return k.application
	}
	return nil
}

// all returns every application that is known.
func (a *applications) all() (all []*application) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range a.known {
		all = append(all, k.application)
	}
	return all
}

// learn ends a question whose answer is an application.
func (a *applications) learn(id string, f *flight, answer *application) (recovered bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if k := a.known[id]; k != nil {
		recovered = k.failing
	}
	a.known[id] = &known{application: answer, said: now, asked: now}
	delete(a.unknown, id)
	a.end(id, f, answer, nil)
	return recovered
}

// forget ends a question whose answer is that there is no such application.
func (a *applications) forget(id string, f *flight, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.known, id)
	if len(a.unknown) >= mostUnknown {
		clear(a.unknown)
	}
	a.unknown[id] = time.Now().Add(appsUnknown)
	a.end(id, f, nil, err)
}

// fail ends a question without an answer: what was known goes on. It tells whether that
// is new.
func (a *applications) fail(id string, f *flight, err error) (first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.known[id]
	if k == nil {
		a.end(id, f, nil, err)
		return false
	}
	first, k.failing = !k.failing, true
	a.end(id, f, k.application, nil)
	return first
}

func (a *applications) end(id string, f *flight, answer *application, err error) {
	f.answer, f.err = answer, err
	delete(a.flights, id)
	close(f.ended)
}
