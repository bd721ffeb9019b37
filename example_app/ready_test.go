package main

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/store"
)

// A shop that is told to stop says at once that nothing more is to be sent to it, and
// serves whoever has not noticed yet until its drain is over.
func TestLeaving(t *testing.T) {
	shop := &shop{staffToken: testToken, staff: &sessions{}, orders: newMemory(), events: &eventLog{events: []event{}}}
	config, wrong := shop.config(store.NewMemory()), problems{}
	(&options{}).useFake(newFake("http://shop.test"+payNotifyPath, nil), "http://shop.test"+notifyPath, &config, wrong)
	module, err := alirefund.New(config)
	if err != nil || len(wrong) > 0 {
		t.Fatal(err, wrong)
	}
	listener, base, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{t: t, base: base}
	expect := func(path string, status int) {
		t.Helper()
		if r := a.do(http.MethodGet, path, "", "Bearer "+testToken); r.status != status {
			t.Errorf("GET %s: %d %s, want %d", path, r.status, r.text, status)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	left, drained, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- serve(ctx, listener, shop.routes(module), func() {
			module.Drain()
			close(left)
			<-drained
		}, time.Minute)
	}()
	expect("/readyz", http.StatusOK)
	stop()
	<-left
	expect("/readyz", http.StatusServiceUnavailable)
	expect("/orders", http.StatusOK)
	close(drained)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// drained counts what says that it leaves.
type drained struct{ times int }

func (d *drained) Drain() { d.times++ }

// It drains for as long as it was told.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, began := &drained{}, time.Now()
		leave(d, time.Minute)
		if took := time.Since(began); took != time.Minute || d.times != 1 {
			t.Errorf("it left after %v, and said so %d times", took, d.times)
		}
	})
}
