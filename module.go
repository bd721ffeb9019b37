package alirefund

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// Module refunds, listens and tells. Make it with [New]. It is safe for
// concurrent use.
type Module struct {
	config   Config
	gateway  *gateway.Client
	receiver *notify.Receiver
	ledger   store.Ledger
	claims   store.Claims
	rules    *rules
	log      *slog.Logger
	// tokens holds the app_auth_tokens that came with requests, by refund id,
	// while the refund is unresolved. They are never stored.
	tokens sync.Map
	// telling holds the refunds whose hook is running here, by id: a hook that
	// outlasts its lease is not called beside itself, nor a later event's before
	// it has returned.
	telling sync.Map

	running   atomic.Bool // Run was started
	warnOnce  sync.Once
	diagnoses diagnoses // why notifications did not verify
}

// New checks the whole configuration and returns a module, or every
// [*ConfigError] at once, joined. It opens no connection and never panics. It logs
// a certificate that ends within 30 days.
func New(config Config) (*Module, error) {
	config, err := config.check()
	if err != nil {
		return nil, err
	}
	client, err := gateway.New(gateway.Config{
		AppID: config.App.ID, Signer: config.App.Signer, Verifier: config.App.Verifier,
		ContentKey: config.App.ContentKey, URL: config.Gateway, Protocol: config.Protocol, HTTP: config.HTTPClient, Timeout: config.Timeout,
		Logger: config.Logger,
	})
	if err != nil {
		return nil, &ConfigError{Field: "App", Problem: err.Error(), Err: err}
	}
	rules, err := newRules()
	if err != nil {
		return nil, err
	}
	m := &Module{
		config:   config,
		gateway:  client,
		receiver: &notify.Receiver{Verifier: config.App.Verifier, AppID: config.App.ID, SellerIDs: config.App.SellerIDs},
		ledger:   config.Store,
		claims:   store.Remember(config.Store),
		rules:    rules,
		log:      config.Logger,
	}
	m.warnOfExpiry(context.Background())
	return m, nil
}

// Result is what is known of a refund.
type Result struct {
	Refund store.Refund
	// Delivered: the hook of what the refund has become has returned nil.
	Delivered bool
	// Repeated: the refund was known before this call.
	Repeated bool

	told bool // nothing is left to tell the host of now
}

// Get returns what is known of a refund. If it is unresolved Alipay is asked
// first, and if an event of it is undelivered its hook is called. The state in
// the result tells success, failure and unresolved apart; an error means that
// the ledger could not be read, or [store.ErrNotFound].
func (m *Module) Get(ctx context.Context, id string) (Result, error) {
	r, err := m.ledger.Get(ctx, id)
	switch {
	case err == nil && r.App != m.config.App.ID:
		return Result{}, store.ErrNotFound // another application's, in the same store
	case errors.Is(err, store.ErrNotFound):
		return Result{}, err
	case err != nil:
		return Result{}, storeFailed(err)
	}
	ctx, cancel := m.detach(ctx)
	defer cancel()
	claim := rand.Text()
	if r.State == store.Pending {
		r, _ = m.ask(ctx, r, claim)
	}
	result := m.conclude(ctx, r, claim, true)
	if now, err := m.ledger.Get(ctx, id); err == nil {
		result.Refund = now // with its deliveries
	}
	return result, nil
}

// detach returns a context that outlives the caller: once money may move, its
// hanging up must not stop what has to be recorded. Each call within has a
// timeout of its own.
func (m *Module) detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), m.patience())
}

// patience bounds one request or notification as a whole: a send, the questions
// around it, and the hooks. Leases are as long, so that none runs out while its
// owner works.
func (m *Module) patience() time.Duration {
	return 4*m.config.Timeout + 2*m.config.HookTimeout + storeTime
}

// storeTime is what the ledger may take of a request in all.
const storeTime = 10 * time.Second

// conclude delivers what is due and puts the result together.
func (m *Module) conclude(ctx context.Context, r store.Refund, claim string, repeated bool) Result {
	if r.State != store.Pending {
		m.tokens.Delete(r.ID)
	} else if !m.running.Load() {
		m.warnOnce.Do(func() {
			m.log.ErrorContext(ctx, "a refund is unresolved and Module.Run was never started: nobody will ask about it", "refund", r.ID)
		})
	}
	told := m.deliver(ctx, r, claim)
	return Result{Refund: r, Delivered: told && r.State != store.Pending, Repeated: repeated, told: told}
}

// err is the result as an error: nil if and only if the refund succeeded.
func (res Result) err(inProgress bool) error {
	switch {
	case res.Refund.State == store.Succeeded:
		return nil
	case res.Refund.State == store.Failed && res.Refund.NotSent:
		return nothingSent("Alipay", errors.New(res.Refund.Message))
	case res.Refund.State == store.Failed:
		return &RefusedError{Refund: res.Refund}
	}
	return &UnresolvedError{Refund: res.Refund, InProgress: inProgress}
}
