package alipaytest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Redelivery: 8 times in about 25 hours, the same event and the same notify_id,
// each time signed anew, until the answer is exactly success.
func TestRedelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, h := setup(t)
		h.answer = func(n int) string {
			return []string{"fail", "success\n", "SUCCESS", `"success"`, "", " success", "ok", "no"}[n-1]
		}
		start := time.Now()
		c.call(refund, refundBiz("4.00", "R1"))
		a.Advance(40 * time.Hour)

		var gaps []time.Duration
		ids, bodies := map[string]bool{}, map[string]bool{}
		for i, d := range a.Notices()[0].Deliveries {
			gaps = append(gaps, d.At.Sub(start))
			ids[h.got[i].form.Get("notify_id")] = true
			bodies[h.got[i].form.Get("sign")] = true
			if want := d.At.In(utc8).Format("2006-01-02 15:04:05"); h.got[i].form.Get("notify_time") != want {
				t.Errorf("delivery %d: notify_time %s, want %s", i, h.got[i].form.Get("notify_time"), want)
			}
			if d.Form != h.got[i].body || d.Status != http.StatusOK || d.Acknowledged || d.Err != nil {
				t.Errorf("delivery %d is noted as %+v", i, d)
			}
		}
		m, hour := time.Minute, time.Hour
		want := []time.Duration{0, 4 * m, 14 * m, 24 * m, hour + 24*m, 3*hour + 24*m, 9*hour + 24*m, 24*hour + 24*m}
		if !slices.Equal(gaps, want) {
			t.Errorf("delivered after %v, want %v", gaps, want)
		}
		if len(ids) != 1 || len(bodies) != 8 {
			t.Errorf("%d notify_ids and %d signatures, want 1 and 8", len(ids), len(bodies))
		}
		if n := a.Notices()[0]; n.Acknowledged || !n.Due.IsZero() {
			t.Errorf("given up, it is neither acknowledged nor due: %+v", n)
		}
	})
}

func TestAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, h := setup(t)
		h.answer = func(n int) string { return []string{"fail", "success"}[n-1] }
		c.call(refund, refundBiz("4.00", "R1"))
		a.Advance(40 * time.Hour)
		n := a.Notices()[0]
		if len(h.got) != 2 || !n.Acknowledged || !n.Due.IsZero() || n.Method != refund || n.Params["out_biz_no"] != "R1" {
			t.Errorf("%d deliveries; %+v", len(h.got), n)
		}
	})
}

// What no host answers: a status other than 200, a redirect, a panic.
func TestNotAcknowledged(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"201": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "success")
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("the redirect was followed")
			}
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		},
		"panic": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			a, c, _ := setup(t)
			a.HandleNotices(handler)
			c.call(refund, refundBiz("4.00", "R1"))
			if posts := a.Deliver(t.Context()); posts != 1 {
				t.Errorf("%d posts, want 1", posts)
			}
			n := a.Notices()[0]
			if n.Acknowledged || n.Due.IsZero() || len(n.Deliveries) != 1 {
				t.Errorf("%+v", n)
			}
			if d := n.Deliveries[0]; (d.Err != nil) != (name == "panic") {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestDeliverEndsWithContext(t *testing.T) {
	a, c, _ := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	a.HandleNotices(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done() // Alipay hung up
	}))
	c.call(refund, refundBiz("4.00", "R1"))
	c.call(refund, refundBiz("1.00", "R2"))
	if posts := a.Deliver(ctx); posts != 1 {
		t.Errorf("%d posts, want 1", posts)
	}
	if err := a.Notices()[0].Deliveries[0].Err; !errors.Is(err, context.Canceled) {
		t.Errorf("the first ended with %v", err)
	}
}

// The fake's Run delivers by itself, in real time: here the bubble's.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, h := setup(t)
		h.answer = func(n int) string { return []string{"fail", "success", "success"}[n-1] }
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go a.Run(ctx)
		time.Sleep(time.Minute)
		c.call(refund, refundBiz("4.00", "R1"))
		time.Sleep(48 * time.Hour) // the red packet of setup returns
		synctest.Wait()
		if len(h.got) != 3 || h.got[1].at.Sub(h.got[0].at) != 4*time.Minute || h.got[2].at.Sub(h.got[0].at) != 48*time.Hour-time.Minute {
			t.Fatalf("%d notices came: %+v", len(h.got), h.got)
		}
		h.expect(2, map[string]string{"auth_no": "P1", "amount": "10.00"})
	})
}
