// Package shoptest is a host application for tests: a Gin router that mounts the
// module against a fake Alipay, whose hooks note what they hear.
package shoptest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

func init() { gin.SetMode(gin.TestMode) }

// NotifyURL is where the tests' notices go; the fake posts them in memory.
const NotifyURL = "http://shop.test/alipay/notify"

// AppGatewayURL is where messages go.
const AppGatewayURL = "http://shop.test/alipay/gateway"

// Shop is a host application that mounts the module, against a fake Alipay.
type Shop struct {
	T      *testing.T
	Alipay *alipaytest.Alipay
	Module *alirefund.Module
	Router *gin.Engine
	Config alirefund.Config

	Mu     sync.Mutex
	Events []Event
	Fail   map[store.Event]error // what a hook returns
	Panics bool
	Other  []string // kinds of notifications that reached OnNotification
}

type Event struct {
	Name   store.Event
	Refund store.Refund
}

// NewShop opens a shop. change may adjust the configuration.
func NewShop(t *testing.T, change ...func(*alirefund.Config)) *Shop {
	t.Helper()
	s := &Shop{T: t, Alipay: alipaytest.New(alipaytest.Config{AppGatewayURL: AppGatewayURL}), Fail: map[store.Event]error{}}
	sign, err := signer.FromPEM(s.Alipay.AppPrivateKey())
	if err != nil {
		t.Fatal(err)
	}
	verify, err := signer.VerifierFromPEM(s.Alipay.AlipayPublicKey())
	if err != nil {
		t.Fatal(err)
	}
	s.Config = alirefund.Config{
		App:        alirefund.App{ID: s.Alipay.AppID(), Signer: sign, Verifier: verify, NotifyURL: NotifyURL},
		Store:      store.NewMemory(),
		Gateway:    alipaytest.GatewayURL,
		HTTPClient: s.Alipay.HTTPClient(),
		OnRefundSucceeded: func(_ context.Context, e alirefund.RefundSucceeded) error {
			return s.Hook(store.RefundSucceeded, e.Refund)
		},
		OnRefundFailed: func(_ context.Context, e alirefund.RefundFailed) error {
			return s.Hook(store.RefundFailed, e.Refund)
		},
		OnRefundUnresolved: func(_ context.Context, e alirefund.RefundUnresolved) error {
			return s.Hook(store.RefundUnresolved, e.Refund)
		},
		OnNotification: func(_ context.Context, n *notify.Notification) error {
			s.Mu.Lock()
			defer s.Mu.Unlock()
			s.Other = append(s.Other, string(n.Kind))
			return nil
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	if OverV3(t) {
		s.Config.Protocol = gateway.V3
	}
	for _, f := range change {
		f(&s.Config)
	}
	s.Restart()
	return s
}

// Restart makes a new module over the same store, as a restarted process would.
func (s *Shop) Restart() {
	s.T.Helper()
	var err error
	if s.Module, err = alirefund.New(s.Config); err != nil {
		s.T.Fatal(err)
	}
	s.Router = gin.New()
	if folder := os.Getenv(RecordExchanges); folder != "" {
		s.Router.Use(record(folder))
	}
	s.Module.MountRefunds(s.Router.Group("/alipay"), func(c *gin.Context) {
		alirefund.SetActor(c, "staff")
		if actor, other := c.Request.Header["Actor"]; other {
			alirefund.SetActor(c, actor[0])
		}
		if c.GetHeader("Approves") != "" {
			alirefund.GrantApproval(c)
		}
		if app := c.GetHeader("App"); app != "" {
			alirefund.SetApp(c, app)
		}
	})
	s.Module.MountNotify(s.Router.Group("/alipay"))
	s.Alipay.HandleNotices(s.Router)
}

func (s *Shop) Hook(name store.Event, r store.Refund) error {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if s.Panics {
		panic("the host's bug")
	}
	if err := s.Fail[name]; err != nil {
		return err
	}
	s.Events = append(s.Events, Event{name, r})
	return nil
}

// Told returns the names of the events that hooks have taken, in order.
func (s *Shop) Told() string {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	names := make([]string, len(s.Events))
	for i, e := range s.Events {
		names[i] = string(e.Name)
	}
	return strings.Join(names, " ")
}

func (s *Shop) Last() store.Refund {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if len(s.Events) == 0 {
		s.T.Fatal("no event")
	}
	return s.Events[len(s.Events)-1].Refund
}

// Moved returns the money that really moved: number=amount, in order.
func (s *Shop) Moved() string {
	var list []string
	for _, m := range s.Alipay.Movements() {
		list = append(list, m.OutRequestNo+"="+m.Amount.String())
	}
	return strings.Join(list, " ")
}

// Calls returns how often a method was called.
func (s *Shop) Calls(method string) int {
	n := 0
	for _, c := range s.Alipay.Calls() {
		if c.Method == method {
			n++
		}
	}
	return n
}

func (s *Shop) Expect(r Reply, status int, state string) {
	s.T.Helper()
	if r.Status != status || r.Str("state") != state {
		s.T.Fatalf("answered %d %q, want %d %q: %s", r.Status, r.Str("state"), status, state, r.Text)
	}
}

func (s *Shop) ExpectTold(want string) {
	s.T.Helper()
	if got := s.Told(); got != want {
		s.T.Fatalf("the host was told %q, want %q", got, want)
	}
}

func (s *Shop) ExpectMoved(want string) {
	s.T.Helper()
	if got := s.Moved(); got != want {
		s.T.Fatalf("money moved %q, want %q", got, want)
	}
}

var ErrHost = errors.New("the host's database is down")

// NewKey returns a signer over a key of its own.
func NewKey(tb testing.TB) *signer.Signer {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := signer.New(key)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func StoreFilter(s *Shop) store.Filter { return store.Filter{App: s.Config.App.ID} }

func Must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// Unresolved leaves a refund that nobody can find out about.
func (s *Shop) Unresolved(fault alipaytest.FaultKind) store.Refund {
	s.T.Helper()
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: fault})
	s.Always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
	r := s.Refund(Partly)
	s.Expect(r, 202, "pending")
	return s.Ledger(r.Str("id"))
}

// Run starts Module.Run and returns what stops it and waits for it.
func (s *Shop) Run() (stop func()) {
	ctx, cancel := context.WithCancel(s.T.Context())
	ended := make(chan struct{})
	module := s.Module
	go func() { defer close(ended); module.Run(ctx) }()
	return func() {
		cancel()
		<-ended
	}
}

// CallsOf returns the calls of a method, in order.
func (s *Shop) CallsOf(method string) []alipaytest.Call {
	return slices.DeleteFunc(s.Alipay.Calls(), func(c alipaytest.Call) bool { return c.Method != method })
}

// Always makes a fault befall every call of a method.
func (s *Shop) Always(kind alipaytest.FaultKind, method string) {
	s.Alipay.InjectRandomly(1, 1, alipaytest.Fault{Kind: kind, Method: method})
}

// HookFails makes the hook of an event fail, or with nil no longer.
func (s *Shop) HookFails(event store.Event, err error) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.Fail[event] = err
}

func (s *Shop) Ledger(id string) store.Refund {
	s.T.Helper()
	r, err := s.Config.Store.Get(s.T.Context(), id)
	if err != nil {
		s.T.Fatal(err)
	}
	return r
}

// Trade adds the order of 88.88 that most tests refund.
func (s *Shop) Trade() alipaytest.Trade {
	return s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: Order, Total: 88_88, NotifyURL: NotifyURL})
}

func Total(amount money.Amount) func(*alirefund.Config) {
	return func(c *alirefund.Config) {
		c.OrderTotal = func(context.Context, alirefund.Order) (money.Amount, bool, error) { return amount, true, nil }
	}
}

var ErrStoreDown = errors.New("connection to the database lost")
