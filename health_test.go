package alirefund_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// counted is a store whose Count is counted, and does what it is told first.
type counted struct {
	*store.Memory
	looks  *atomic.Int32
	before func(context.Context) error
}

func (c counted) Count(ctx context.Context, app string) (store.Backlog, error) {
	c.looks.Add(1)
	if c.before != nil {
		if err := c.before(ctx); err != nil {
			return store.Backlog{}, err
		}
	}
	return c.Memory.Count(ctx, app)
}

// probe asks whether the shop is ready, a second after the last look.
func probe(s *shoptest.Shop) shoptest.Reply {
	s.T.Helper()
	time.Sleep(time.Second)
	return probeNow(s)
}

func probeNow(s *shoptest.Shop) shoptest.Reply {
	s.T.Helper()
	r := gin.New()
	r.GET("/readyz", s.Module.Ready)
	return shoptest.Serve(s.T, r, httptest.NewRequestWithContext(s.T.Context(), http.MethodGet, "/readyz", nil))
}

// expectHealth checks the status, and the codes of all problems, in order.
func expectHealth(t *testing.T, r shoptest.Reply, status int, notReady string, problems ...string) {
	t.Helper()
	var codes []string
	list, _ := r.Body["problems"].([]any)
	for _, item := range list {
		problem, _ := item.(map[string]any)
		code, _ := problem["code"].(string)
		if text, _ := problem["text"].(string); text == "" {
			t.Errorf("%s says nothing: %s", code, r.Text)
		}
		codes = append(codes, code)
	}
	if r.Status != status || r.Body["ready"] != (status == http.StatusOK) || r.Str("not_ready") != notReady || strings.Join(codes, " ") != strings.Join(problems, " ") {
		t.Errorf("%d, want %d %q with problems %v: %s", r.Status, status, notReady, problems, r.Text)
	}
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("it may be cached: %v", r.Header)
	}
}

// section returns a part of the report.
func section(t *testing.T, r shoptest.Reply, name string) map[string]any {
	t.Helper()
	part, ok := r.Body[name].(map[string]any)
	if !ok {
		t.Fatalf("no %s in %s", name, r.Text)
	}
	return part
}

// A process that is well says so, with its numbers, and names nobody.
func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		r := probe(s)
		expectHealth(t, r, http.StatusOK, "")
		if alipay := section(t, r, "alipay"); len(alipay) != 0 {
			t.Errorf("it knows of Alipay before the first call: %s", r.Text)
		}
		if section(t, r, "run")["going"] != false {
			t.Errorf("Run goes on, says %s", r.Text)
		}
		stop := s.Run()
		defer stop()
		s.Unresolved(alipaytest.LostAnswer)
		s.Expect(s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1.00","out_request_no":"R2"}`), 200, "succeeded")
		r = probe(s)
		expectHealth(t, r, http.StatusOK, "")
		if backlog := section(t, r, "backlog"); backlog["unresolved"] != 1.0 || backlog["undelivered"] != 0.0 || backlog["oldest_seconds"] == 0.0 {
			t.Errorf("backlog %v", backlog)
		}
		alipay := section(t, r, "alipay")
		if alipay["answer_verified_at"] == nil || alipay["signature_accepted_at"] == nil || alipay["clock_ahead_seconds"] != 0.0 {
			t.Errorf("of Alipay it knows %v", alipay)
		}
		run := section(t, r, "run")
		if run["going"] != true || run["last_round_at"] == nil {
			t.Errorf("run %v", run)
		}
		if looked := section(t, r, "store"); looked["reachable"] != true || looked["clock_ahead_seconds"] != 0.0 {
			t.Errorf("store %v", looked)
		}
		for _, secret := range []string{shoptest.Order, "R1", "R2", s.Config.App.ID, "rf_", "8.88"} {
			if strings.Contains(r.Text, secret) {
				t.Errorf("it tells %s: %s", secret, r.Text)
			}
		}
	})
}

// Only what another process would do better makes this one unready.
func TestNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var log shoptest.Log
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.Store = counted{store.NewMemory(), new(atomic.Int32), func(context.Context) error {
				if down.Load() {
					return errors.New("dial tcp db.internal:5432: refused for user refunds")
				}
				return nil
			}}
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		s.Trade()
		expectHealth(t, probe(s), http.StatusOK, "")
		down.Store(true)
		for range 5 {
			r := probe(s)
			expectHealth(t, r, http.StatusServiceUnavailable, "store_unreachable", "store_unreachable")
			if strings.Contains(r.Text, "db.internal") {
				t.Errorf("it tells where the store is: %s", r.Text)
			}
		}
		if lines := log.Lines("does not answer"); len(lines) != 1 || !strings.Contains(lines[0], "db.internal") {
			t.Errorf("the log does not say why once: %q", lines)
		}
		down.Store(false)
		expectHealth(t, probe(s), http.StatusOK, "")
		if lines := log.Lines("answers again"); len(lines) != 1 {
			t.Errorf("the log says %d times that it is back", len(lines))
		}

		s.Module.Drain()
		expectHealth(t, probeNow(s), http.StatusServiceUnavailable, "draining")
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded") // what still arrives is served
		expectHealth(t, probe(s), http.StatusServiceUnavailable, "draining")
	})
}

// What is wrong in every process alike is a problem to tell of, and no reason to take all
// of them out of the balancer.
func TestReadyWithProblems(t *testing.T) {
	for _, c := range []struct {
		problem string
		mode    alipaytest.Config
		change  func(*alirefund.Config)
		spoil   func(t *testing.T, s *shoptest.Shop)
		mend    func(t *testing.T, s *shoptest.Shop)
	}{
		{
			problem: "unresolved_for_long",
			spoil:   func(_ *testing.T, s *shoptest.Shop) { s.Unresolved(alipaytest.LostAnswer); time.Sleep(time.Hour) },
			mend:    func(_ *testing.T, s *shoptest.Shop) { s.Alipay.InjectRandomly(0, 0); s.Refund(shoptest.Partly) },
		},
		{
			problem: "certificate_ends_soon", mode: shoptest.Modes["certificates"],
			spoil: func(_ *testing.T, s *shoptest.Shop) {
				time.Sleep(time.Until(s.Config.App.Verifier.Expires()) - 20*24*time.Hour)
			},
		},
		{
			problem: "certificate_ended", mode: shoptest.Modes["certificates"],
			spoil: func(_ *testing.T, s *shoptest.Shop) {
				time.Sleep(time.Until(s.Config.App.Verifier.Expires()) + time.Hour)
			},
		},
		{
			problem: "signature_refused",
			spoil: func(t *testing.T, s *shoptest.Shop) {
				s.Alipay.SetAppPublicKey(publicKey(t))
				s.Alipay.Advance(8 * 24 * time.Hour) // the old key is no longer taken
				s.Refund(shoptest.Partly)
			},
		},
		{
			problem: "signature_refused", // unsigned, as Alipay answers for an app_id that it does not know
			spoil: func(_ *testing.T, s *shoptest.Shop) {
				s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.GatewayError}, alipaytest.Fault{Kind: alipaytest.GatewayError, Method: gateway.MethodRefundQuery})
				s.Refund(shoptest.Partly)
			},
			mend: func(_ *testing.T, s *shoptest.Shop) { time.Sleep(time.Minute); s.Refund(shoptest.Partly) },
		},
		{
			problem: "answer_unverified",
			spoil: func(_ *testing.T, s *shoptest.Shop) {
				s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.WrongSignature}, alipaytest.Fault{Kind: alipaytest.WrongSignature, Method: gateway.MethodRefundQuery})
				s.Refund(shoptest.Partly)
			},
			mend: func(_ *testing.T, s *shoptest.Shop) { time.Sleep(time.Minute); s.Refund(shoptest.Partly) },
		},
		{
			problem: "alipay_clock_off",
			change: func(c *alirefund.Config) {
				c.HTTPClient = &http.Client{Transport: dated{c.HTTPClient.Transport, -2 * time.Minute}}
			},
			spoil: func(_ *testing.T, s *shoptest.Shop) { s.Refund(shoptest.Partly) },
		},
		{
			problem: "store_clock_off",
			change:  func(c *alirefund.Config) { c.Store = slowClock{store.NewMemory()} },
			spoil:   func(*testing.T, *shoptest.Shop) {},
		},
		{
			problem: "run_stopped",
			spoil:   func(_ *testing.T, s *shoptest.Shop) { s.Run()() },
			mend:    func(_ *testing.T, s *shoptest.Shop) { s.T.Cleanup(s.Run()) },
		},
	} {
		t.Run(c.problem, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := shoptest.NewShop(t)
				if c.mode.Certificates {
					s = shoptest.NewShopOf(t, c.mode)
				}
				if c.change != nil {
					c.change(&s.Config)
					s.Restart()
				}
				if c.problem != "unresolved_for_long" { // Unresolved adds it
					s.Trade()
				}
				if c.problem != "store_clock_off" {
					expectHealth(t, probe(s), http.StatusOK, "")
				}
				c.spoil(t, s)
				want := []string{c.problem}
				if c.mode.Certificates {
					want = append(want, c.problem) // the application's, and Alipay's
				}
				expectHealth(t, probe(s), http.StatusOK, "", want...)
				if c.mend != nil {
					c.mend(t, s)
					expectHealth(t, probe(s), http.StatusOK, "")
				}
			})
		})
	}
}

// publicKey is that of nobody's private key here.
func publicKey(t *testing.T) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString(shoptest.Must(x509.MarshalPKIXPublicKey(shoptest.NewKey(t).Public())))
}

// dated has the gateway's answers say another time.
type dated struct {
	http.RoundTripper
	by time.Duration
}

func (d dated) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Header.Set("Date", time.Now().Add(d.by).UTC().Format(http.TimeFormat))
	}
	return response, err
}

// slowClock is a ledger whose clock is a minute behind.
type slowClock struct{ *store.Memory }

func (s slowClock) Count(ctx context.Context, app string) (store.Backlog, error) {
	b, err := s.Memory.Count(ctx, app)
	b.AsOf = b.AsOf.Add(-time.Minute)
	return b, err
}

// A store that stalls, whatever contexts say, holds up no probe for longer than two
// seconds, and is not asked again meanwhile.
func TestReadyWhileTheStoreStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int32
		stalls := make(chan struct{})
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.Store = counted{store.NewMemory(), &looks, func(context.Context) error { <-stalls; return nil }}
		})
		for range 10 {
			began := time.Now()
			expectHealth(t, probeNow(s), http.StatusServiceUnavailable, "store_unreachable", "store_unreachable")
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("a probe took %v", took)
			}
		}
		if n := looks.Load(); n != 1 {
			t.Errorf("a store that stalls was asked %d times", n)
		}
		close(stalls)
		synctest.Wait()
		expectHealth(t, probeNow(s), http.StatusOK, "")
	})
}

// A backlog that takes long to count is unknown, and makes nobody unready: it would be so in
// every process alike.
func TestReadyWhileTheBacklogIsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int32
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.Store = counted{store.NewMemory(), &looks, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		})
		r := probe(s)
		expectHealth(t, r, http.StatusOK, "")
		if r.Body["backlog"] != nil {
			t.Errorf("a backlog that nobody counted: %s", r.Text)
		}
	})
}

// A probe that gave up says so to nobody else.
func TestProbeThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int32
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.Store = counted{store.NewMemory(), &looks, func(ctx context.Context) error {
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
				return ctx.Err()
			}}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if h := s.Module.Health(ctx); h.Ready || !errors.Is(h.StoreErr, context.DeadlineExceeded) {
			t.Errorf("ready %t, %v", h.Ready, h.StoreErr)
		}
		if h := s.Module.Health(t.Context()); !h.Ready || h.StoreTook != time.Second || looks.Load() != 1 {
			t.Errorf("the next one: ready %t, %v, after %d looks of %v", h.Ready, h.StoreErr, looks.Load(), h.StoreTook)
		}
	})
}

// However many probes there are, the store is looked at once a second; a slow one more
// rarely.
func TestProbesShareALook(t *testing.T) {
	for _, c := range []struct {
		name        string
		slow        time.Duration
		least, most int32
	}{
		{"fast", 0, 9, 11}, {"slow", 300 * time.Millisecond, 3, 4}, {"very slow", 1500 * time.Millisecond, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var looks atomic.Int32
				s := shoptest.NewShop(t, func(config *alirefund.Config) {
					config.Store = counted{store.NewMemory(), &looks, func(context.Context) error { time.Sleep(c.slow); return nil }}
				})
				var probes sync.WaitGroup
				for range 100 {
					for range 20 {
						probes.Go(func() {
							if h := s.Module.Health(t.Context()); !h.Ready {
								t.Error(h.StoreErr)
							}
						})
					}
					time.Sleep(100 * time.Millisecond)
				}
				probes.Wait()
				if n := looks.Load(); n < c.least || n > c.most {
					t.Errorf("%d looks in 10 s, want %d to %d", n, c.least, c.most)
				}
			})
		})
	}
}

// A store that can count nothing is looked at all the same.
func TestReadyWithoutACounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		s := shoptest.NewShop(t)
		s.Around(func(_ context.Context, _ shoptest.Call, call func() error) error {
			if down.Load() {
				return shoptest.ErrStoreDown
			}
			return call()
		})
		r := probe(s)
		expectHealth(t, r, http.StatusOK, "")
		if r.Body["backlog"] != nil {
			t.Errorf("a backlog that nobody counted: %s", r.Text)
		}
		down.Store(true)
		expectHealth(t, probe(s), http.StatusServiceUnavailable, "store_unreachable", "store_unreachable")
	})
}

// Run stands still where its rounds do not end, and not while it has just begun.
func TestReadyWhileRunStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalls := make(chan struct{})
		s := shoptest.NewShop(t)
		s.Around(func(_ context.Context, c shoptest.Call, call func() error) error {
			if c.Name == "Due" {
				<-stalls
			}
			return call()
		})
		stop := s.Run()
		defer stop()
		expectHealth(t, probe(s), http.StatusOK, "")
		time.Sleep(time.Minute)
		expectHealth(t, probe(s), http.StatusOK, "", "run_stopped")
		close(stalls)
		synctest.Wait()
		expectHealth(t, probe(s), http.StatusOK, "")
	})
}
