package shoptest

import (
	"context"
	"slices"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/store"
)

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
