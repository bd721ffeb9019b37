package conformance

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/console"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// many is how many refunds the console's pages are measured with, over thirty days.
const many = 100_000

// refundOf is the n-th of many: one in a thousand is unresolved, one in a hundred failed,
// and one in five hundred untold.
func refundOf(n int, app string) store.Refund {
	at := time.Now().UTC().Truncate(time.Microsecond).Add(-time.Duration(many-n) * 30 * 24 * time.Hour / many)
	r := store.Refund{
		Kind: store.Kinds()[n%3], App: app, OutTradeNo: fmt.Sprintf("20261130220014%08d", n), AuthNo: fmt.Sprintf("auth%020d", n), OutRequestNo: fmt.Sprintf("RF-%08d", n),
		TradeNo: fmt.Sprintf("2026113022001400%012d", n), Amount: 8_88, Actor: "staff", Origin: store.FromRequest, State: store.Succeeded, Source: store.ByAnswer,
		CreatedAt: at, UpdatedAt: at, SentAt: at, SettledAt: at.Add(time.Duration(n%90) * time.Second), Attempts: 1, Code: "10000",
		Request: store.JSON(`{"out_trade_no":"` + fmt.Sprint(n) + `","refund_amount":"8.88","out_request_no":"x"}`), Answer: store.JSON(`{"code":"10000","msg":"Success","fund_change":"Y","refund_fee":"8.88","buyer_user_id":"2088000000000001"}`),
		History: []store.Entry{{At: at, What: "created", Actor: "staff", Detail: "request"}, {At: at, What: "send", Number: 1}, {At: at, What: "answer", Detail: "success; 10000", Number: 1}, {At: at, What: "delivered", Detail: "refund_succeeded"}},
	}
	switch {
	case n%1000 == 7:
		r.State, r.Source, r.SettledAt, r.Next = store.Pending, "", time.Time{}, at.Add(time.Minute)
		r.Attention = "nobody knows"
		r.Deliveries = []store.Delivery{{Event: store.RefundUnresolved, Done: true, At: at, Tries: 1}}
	case n%100 == 3:
		r.State = store.Failed
		r.Deliveries = []store.Delivery{{Event: store.RefundFailed, Done: true, At: at, Tries: 1}}
	case n%500 == 5:
		r.Next = at.Add(time.Minute)
		r.Deliveries = []store.Delivery{{Event: store.RefundSucceeded, At: at, Tries: 3, Error: "the books are closed"}}
	default:
		r.Deliveries = []store.Delivery{{Event: store.RefundSucceeded, Done: true, At: at, Tries: 1}}
	}
	return r.Identify()
}

// manyInMemory is a Memory with them: recorded one by one, all of them now.
func manyInMemory(b *testing.B, app string) store.Store {
	b.Helper()
	m := store.NewMemory()
	for n := range many {
		r := refundOf(n, app)
		if _, _, err := m.Open(b.Context(), r, store.Limit{}, nil); err != nil {
			b.Fatal(err)
		}
	}
	return m
}

// manyInDatabase is a database with them, as its store would have written them.
func manyInDatabase(b *testing.B, e engine, app string) store.Store {
	b.Helper()
	d := e.open(b).migrate(b)
	tx, err := d.BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback()
	insert, err := tx.PrepareContext(b.Context(), d.text(`INSERT INTO {t}refunds (id, version, app, kind, order_id, out_trade_no, trade_no, auth_no, out_request_no,
		amount, state, undelivered, created_at, next_at, settled_at, has_node, doc) VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)`))
	if err != nil {
		b.Fatal(err)
	}
	for n := range many {
		r := refundOf(n, app)
		next, undelivered := any(nil), 0
		settled := any(r.UpdatedAt.UnixMicro())
		if !r.Next.IsZero() {
			next, settled = r.Next.UnixMicro(), nil
		}
		if r.Undelivered() {
			undelivered = 1
		}
		doc, err := store.Encode(r)
		if err == nil {
			_, err = insert.ExecContext(b.Context(), r.ID, r.App, string(r.Kind), r.OrderID, r.OutTradeNo, r.TradeNo, r.AuthNo, r.OutRequestNo,
				int64(r.Amount), string(r.State), undelivered, r.CreatedAt.UnixMicro(), next, settled, string(doc))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	d.analyze(b)
	return d.store(b, d.DB)
}

// BenchmarkConsole measures each page of the console with a hundred thousand refunds.
func BenchmarkConsole(b *testing.B) {
	gin.SetMode(gin.ReleaseMode)
	fake := alipaytest.New(alipaytest.Config{})
	stores := map[string]func(*testing.B) store.Store{
		"Memory": func(b *testing.B) store.Store { return manyInMemory(b, fake.AppID()) },
	}
	names := []string{"Memory"}
	for _, e := range engines {
		names = append(names, e.name)
		stores[e.name] = func(b *testing.B) store.Store { return manyInDatabase(b, e, fake.AppID()) }
	}
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			s := stores[name](b)
			sign, err := signer.FromPEM(fake.AppPrivateKey())
			if err != nil {
				b.Fatal(err)
			}
			verify, err := signer.VerifierFromPEM(fake.AlipayPublicKey())
			if err != nil {
				b.Fatal(err)
			}
			m, err := alirefund.New(alirefund.Config{App: alirefund.App{ID: fake.AppID(), Signer: sign, Verifier: verify}, Store: s})
			if err != nil {
				b.Fatal(err)
			}
			r := gin.New()
			console.Mount(m, r.Group("/ops"), func(c *gin.Context) { alirefund.SetActor(c, "staff"); console.Grant(c) })
			one := refundOf(many/2, fake.AppID())
			for _, page := range []struct{ name, path string }{
				{"newest", "?"},
				{"oldest", "?order=oldest"},
				{"search", "?q=" + one.OutRequestNo},
				{"unresolved", "?show=unresolved"},
				{"attention", "?show=attention"},
				{"untold", "?show=untold"},
				{"succeeded", "?show=succeeded"},
				{"failed", "?show=failed"},
				{"kind", "?kind=coupon"},
				{"nothing", "?kind=unfreeze&show=failed&from=2001-01-01&until=2001-01-02"},
				{"refund", "refunds/" + one.ID},
				{"replay", "replay?show=succeeded"},
				{"days", "days?days=30"},
			} {
				b.Run(page.name, func(b *testing.B) {
					var most time.Duration
					for b.Loop() {
						w := httptest.NewRecorder()
						began := time.Now()
						r.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/ops/"+page.path, nil))
						most = max(most, time.Since(began))
						if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "</html>") {
							b.Fatalf("%d: %s", w.Code, w.Body.String())
						}
					}
					b.ReportMetric(float64(most.Microseconds())/1000, "most-ms")
				})
			}
		})
	}
}
