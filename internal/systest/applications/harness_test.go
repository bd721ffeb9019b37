// Package applications_test serves several applications by one module, under one key of
// Alipay's, and lets them get into each other's way.
package applications_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// errPanic makes Config.Apps panic.
var errPanic = errors.New("the host's bug")

// The two applications.
const (
	one = "2021000000000001"
	two = "2021000000000002"
)

// mall is a host whose two shops are applications of their own.
type mall struct {
	t      *testing.T
	alipay map[string]*alipaytest.Alipay
	config alirefund.Config
	module *alirefund.Module
	router *gin.Engine
	log    *logged

	mu     sync.Mutex
	apps   map[string]alirefund.App // what Config.Apps returns
	broken error                    // or this
	asked  map[string]int           // how often, by app_id
	told   []string                 // what hooks heard
	fail   error                    // what hooks return
}

// The applications' own keys; Alipay's is one for both, as it is for all fakes.
var keys = map[string]func() *signer.Signer{one: sync.OnceValue(newKey), two: sync.OnceValue(newKey)}

func newKey() *signer.Signer { return shoptest.NewKey(&testing.T{}) }

func public(s *signer.Signer) string {
	return base64.StdEncoding.EncodeToString(shoptest.Must(x509.MarshalPKIXPublicKey(s.Public())))
}

func open(t *testing.T, change ...func(*alirefund.Config)) *mall {
	t.Helper()
	m := &mall{t: t, alipay: map[string]*alipaytest.Alipay{}, apps: map[string]alirefund.App{}, asked: map[string]int{}, log: &logged{}}
	for _, id := range []string{one, two} {
		m.alipay[id] = alipaytest.New(alipaytest.Config{AppID: id, AppPublicKey: public(keys[id]()), SellerID: "2088" + id[4:]})
		m.apps[id] = alirefund.App{
			ID: id, Signer: keys[id](), Verifier: shoptest.Must(signer.VerifierFromPEM(m.alipay[id].AlipayPublicKey())),
			NotifyURL: "http://shop.test/alipay/notify/" + id,
		}
	}
	m.config = alirefund.Config{
		Apps: func(_ context.Context, id string) (alirefund.App, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.asked[id]++
			if m.broken == errPanic {
				panic(m.broken)
			}
			if m.broken != nil {
				return alirefund.App{}, m.broken
			}
			app, known := m.apps[id]
			if !known {
				return alirefund.App{}, fmt.Errorf("the table of shops: %w", alirefund.ErrUnknownApp)
			}
			return app, nil
		},
		Store: store.NewMemory(), Gateway: alipaytest.GatewayURL, HTTPClient: alipaytest.HTTPClient(m.alipay[one], m.alipay[two]),
		OnRefundSucceeded: func(_ context.Context, e alirefund.RefundSucceeded) error {
			return m.hear(e.Refund, "succeeded "+e.Refund.OutRequestNo)
		},
		OnRefundUnresolved: func(_ context.Context, e alirefund.RefundUnresolved) error {
			return m.hear(e.Refund, "unresolved "+e.Reason)
		},
		OnNotification: func(_ context.Context, n *notify.Notification) error {
			return m.hear(store.Refund{App: n.Receiver()}, string(n.Kind))
		},
		Logger: slog.New(slog.NewTextHandler(m.log, nil)),
	}
	if shoptest.OverV3(t) {
		m.config.Protocol = gateway.V3
	}
	for _, f := range change {
		f(&m.config)
	}
	m.module = shoptest.Must(alirefund.New(m.config))
	m.router = gin.New()
	m.module.MountRefunds(m.router.Group("/alipay/:app"), alirefund.AlreadyProtected)
	m.module.MountRefunds(m.router.Group("/guarded"), func(c *gin.Context) { alirefund.SetApp(c, c.GetHeader("Shop")) })
	m.module.MountRefunds(m.router.Group("/both/:app"), func(c *gin.Context) { alirefund.SetApp(c, c.GetHeader("Shop")) })
	m.module.MountNotify(m.router.Group("/alipay"))
	m.router.POST("/paid", m.module.Notifications(), func(c *gin.Context) {
		n, _ := alirefund.NotificationFrom(c)
		if m.hear(store.Refund{App: n.Receiver()}, "paid "+n.OutTradeNo()) == nil {
			c.String(http.StatusOK, "success")
		}
	})
	for _, a := range m.alipay {
		a.HandleNotices(m.router)
	}
	return m
}

// logged is a log.
type logged struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.String(), text)
}

func (m *mall) hear(r store.Refund, what string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.told = append(m.told, r.App[len(r.App)-1:]+" "+what)
	return nil
}

// heard expects what the hooks have heard since the last time, in any order.
func (m *mall) heard(want ...string) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	count := func(list []string) map[string]int {
		counts := map[string]int{}
		for _, text := range list {
			counts[text]++
		}
		return counts
	}
	if !maps.Equal(count(m.told), count(want)) {
		m.t.Errorf("the host heard %q; want %q", m.told, want)
	}
	m.told = nil
}

// set changes what Config.Apps returns of an application; nil removes it.
func (m *mall) set(id string, change func(*alirefund.App)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if change == nil {
		delete(m.apps, id)
		return
	}
	app := m.apps[id]
	change(&app)
	m.apps[id] = app
}

func (m *mall) breaks(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

// lookups returns how often Config.Apps was asked since the last time.
func (m *mall) lookups() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, times := range m.asked {
		n += times
	}
	m.asked = map[string]int{}
	return n
}

func (m *mall) trade(id string) alipaytest.Trade {
	return m.alipay[id].AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 88_88, NotifyURL: "http://shop.test/alipay/notify"})
}

func (m *mall) do(method, path, body string, header ...string) shoptest.Reply {
	m.t.Helper()
	request := httptest.NewRequestWithContext(m.t.Context(), method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return shoptest.Serve(m.t, m.router, request)
}

func (m *mall) refund(id, body string) shoptest.Reply {
	m.t.Helper()
	return m.do(http.MethodPost, "/alipay/"+id+"/refunds", body)
}

func (m *mall) notice(path, form string) shoptest.Reply {
	m.t.Helper()
	return m.do(http.MethodPost, path, form, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
}

// expect expects an answer's status, and its state or the code of its problem.
func (m *mall) expect(r shoptest.Reply, status int, word string) shoptest.Reply {
	m.t.Helper()
	if r.Status != status || r.Str("state") != word && r.Str("code") != word && r.Text != word {
		m.t.Fatalf("answered %d, want %d %q: %s", r.Status, status, word, r.Text)
	}
	return r
}

// stored is a refund's state in the ledger.
func (m *mall) stored(r shoptest.Reply) store.Refund {
	m.t.Helper()
	return shoptest.Must(m.config.Store.Get(m.t.Context(), r.Str("id")))
}

// deaf lets no question of an application's be answered, or again.
func (m *mall) deaf(id string, on bool) {
	if !on {
		m.alipay[id].InjectRandomly(1, 0)
		return
	}
	m.alipay[id].InjectRandomly(1, 1, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
}

// unresolved leaves a refund of the application unresolved, which has happened.
func (m *mall) unresolved(id string) shoptest.Reply {
	m.t.Helper()
	m.trade(id)
	m.alipay[id].Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodTradeRefund})
	m.deaf(id, true)
	return m.expect(m.refund(id, shoptest.Partly), 202, "pending")
}

// form returns the body of the newest notice of an application's refund, newly signed.
func (m *mall) form(id string, change ...string) string {
	notices := m.alipay[id].Notices()
	params := maps.Clone(notices[len(notices)-1].Params)
	params["notify_time"] = time.Now().Format(time.DateTime)
	for i := 0; i+1 < len(change); i += 2 {
		params[change[i]] = change[i+1]
		if change[i+1] == "" {
			delete(params, change[i])
		}
	}
	return m.alipay[id].SignedNotice(params)
}

// run starts Run and returns what stops it.
func (m *mall) run() (stop func()) {
	ctx, cancel := context.WithCancel(m.t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); m.module.Run(ctx) }()
	return func() {
		cancel()
		<-ended
	}
}
