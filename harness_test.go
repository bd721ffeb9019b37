package alirefund_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	m.Run()
}

// notifyURL is where the tests' notices go; the fake posts them in memory.
const notifyURL = "http://shop.test/alipay/notify"

// appGatewayURL is where messages go.
const appGatewayURL = "http://shop.test/alipay/gateway"

// shop is a host application that mounts the module, against a fake Alipay.
type shop struct {
	t      *testing.T
	alipay *alipaytest.Alipay
	module *alirefund.Module
	router *gin.Engine
	config alirefund.Config

	mu     sync.Mutex
	events []event
	fail   map[store.Event]error // what a hook returns
	panics bool
	other  []string // kinds of notifications that reached OnNotification
}

type event struct {
	name   store.Event
	refund store.Refund
}

// newShop opens a shop. change may adjust the configuration.
func newShop(t *testing.T, change ...func(*alirefund.Config)) *shop {
	t.Helper()
	s := &shop{t: t, alipay: alipaytest.New(alipaytest.Config{AppGatewayURL: appGatewayURL}), fail: map[store.Event]error{}}
	sign, err := signer.FromPEM(s.alipay.AppPrivateKey())
	if err != nil {
		t.Fatal(err)
	}
	verify, err := signer.VerifierFromPEM(s.alipay.AlipayPublicKey())
	if err != nil {
		t.Fatal(err)
	}
	s.config = alirefund.Config{
		App:        alirefund.App{ID: s.alipay.AppID(), Signer: sign, Verifier: verify, NotifyURL: notifyURL},
		Store:      store.NewMemory(),
		Gateway:    alipaytest.GatewayURL,
		HTTPClient: s.alipay.HTTPClient(),
		OnRefundSucceeded: func(_ context.Context, e alirefund.RefundSucceeded) error {
			return s.hook(store.RefundSucceeded, e.Refund)
		},
		OnRefundFailed: func(_ context.Context, e alirefund.RefundFailed) error {
			return s.hook(store.RefundFailed, e.Refund)
		},
		OnRefundUnresolved: func(_ context.Context, e alirefund.RefundUnresolved) error {
			return s.hook(store.RefundUnresolved, e.Refund)
		},
		OnNotification: func(_ context.Context, n *notify.Notification) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.other = append(s.other, string(n.Kind))
			return nil
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	if overV3(t) {
		s.config.Protocol = gateway.V3
	}
	for _, f := range change {
		f(&s.config)
	}
	s.restart()
	return s
}

// restart makes a new module over the same store, as a restarted process would.
func (s *shop) restart() {
	s.t.Helper()
	var err error
	if s.module, err = alirefund.New(s.config); err != nil {
		s.t.Fatal(err)
	}
	s.router = gin.New()
	s.module.MountRefunds(s.router.Group("/alipay"), func(c *gin.Context) { alirefund.SetActor(c, "staff") })
	s.module.MountNotify(s.router.Group("/alipay"))
	s.alipay.HandleNotices(s.router)
}

func (s *shop) hook(name store.Event, r store.Refund) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panics {
		panic("the host's bug")
	}
	if err := s.fail[name]; err != nil {
		return err
	}
	s.events = append(s.events, event{name, r})
	return nil
}

// told returns the names of the events that hooks have taken, in order.
func (s *shop) told() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, len(s.events))
	for i, e := range s.events {
		names[i] = string(e.name)
	}
	return strings.Join(names, " ")
}

func (s *shop) last() store.Refund {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) == 0 {
		s.t.Fatal("no event")
	}
	return s.events[len(s.events)-1].refund
}

// reply is an answer of the module's routes.
type reply struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

func (r reply) str(name string) string {
	text, _ := r.body[name].(string)
	return text
}

// pointers returns the pointers of a problem's errors.
func (r reply) pointers() string {
	var pointers []string
	list, _ := r.body["errors"].([]any)
	for _, e := range list {
		field, _ := e.(map[string]any)
		pointer, _ := field["pointer"].(string)
		pointers = append(pointers, pointer)
	}
	return strings.Join(pointers, " ")
}

func (s *shop) do(method, path, body string, header ...string) reply {
	s.t.Helper()
	request := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return serve(s.t, s.router, request)
}

func serve(t *testing.T, h http.Handler, request *http.Request) reply {
	t.Helper()
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	text, err := io.ReadAll(recorder.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := reply{status: recorder.Code, header: recorder.Header(), text: string(text)}
	if strings.Contains(r.header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(text, &r.body); err != nil {
			t.Fatalf("the answer is not JSON: %v: %s", err, text)
		}
	}
	return r
}

func (s *shop) refund(body string) reply {
	s.t.Helper()
	return s.do(http.MethodPost, "/alipay/refunds", body)
}

func (s *shop) coupon(body string) reply {
	s.t.Helper()
	return s.do(http.MethodPost, "/alipay/coupon-refunds", body)
}

func (s *shop) get(id string) reply {
	s.t.Helper()
	return s.do(http.MethodGet, "/alipay/refunds/"+id, "")
}

// notice posts a notification's body.
func (s *shop) notice(form string) reply {
	s.t.Helper()
	request := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "/alipay/notify", strings.NewReader(form))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return serve(s.t, s.router, request)
}

// moved returns the money that really moved: number=amount, in order.
func (s *shop) moved() string {
	var list []string
	for _, m := range s.alipay.Movements() {
		list = append(list, m.OutRequestNo+"="+m.Amount.String())
	}
	return strings.Join(list, " ")
}

// calls returns how often a method was called.
func (s *shop) calls(method string) int {
	n := 0
	for _, c := range s.alipay.Calls() {
		if c.Method == method {
			n++
		}
	}
	return n
}

func (s *shop) expect(r reply, status int, state string) {
	s.t.Helper()
	if r.status != status || r.str("state") != state {
		s.t.Fatalf("answered %d %q, want %d %q: %s", r.status, r.str("state"), status, state, r.text)
	}
}

func (s *shop) expectTold(want string) {
	s.t.Helper()
	if got := s.told(); got != want {
		s.t.Fatalf("the host was told %q, want %q", got, want)
	}
}

func (s *shop) expectMoved(want string) {
	s.t.Helper()
	if got := s.moved(); got != want {
		s.t.Fatalf("money moved %q, want %q", got, want)
	}
}

var errHost = errors.New("the host's database is down")

// newKey returns a signer over a key of its own.
func newKey(tb testing.TB) *signer.Signer {
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
