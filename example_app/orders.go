package main

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// orderBook is the shop's own record of what was sold and given back: [memory],
// [database] or [redisBook].
type orderBook interface {
	// add enters an order that was paid, unless the book has it.
	add(ctx context.Context, kind store.Kind, number string, total money.Amount) error
	// total tells what an order was paid with, if that is known.
	total(ctx context.Context, kind store.Kind, number string) (total money.Amount, known bool, err error)
	// list returns all orders, by kind and number.
	list(ctx context.Context) ([]*order, error)
}

// order is one order, or red packet, as GET /orders shows it.
type order struct {
	// One of them: out_trade_no of a trade, auth_no of a red packet. Neither if
	// all there was is a notice that did not name it.
	OutTradeNo string `json:"out_trade_no,omitempty"`
	AuthNo     string `json:"auth_no,omitempty"`
	// Total is absent if it is not known.
	Total    money.Amount `json:"total,omitempty"`
	Refunded money.Amount `json:"refunded"`
	// Refunds are the amounts by out_request_no; by the refund's id if a notice
	// did not name that.
	Refunds map[string]money.Amount `json:"refunds"`
}

func newOrder(kind store.Kind, number string, total money.Amount) *order {
	o := &order{Total: total, Refunds: map[string]money.Amount{}}
	if kind == store.Coupon {
		o.AuthNo = number
	} else {
		o.OutTradeNo = number
	}
	return o
}

func (o *order) add(number string, amount money.Amount) {
	o.Refunds[number] = amount
	o.Refunded += amount
}

// refundNumber is what a refund is listed under.
func refundNumber(r store.Refund) string { return cmp.Or(r.OutRequestNo, r.ID) }

type orderKey struct {
	kind   store.Kind
	number string
}

// memory is an order book that lives as long as the process.
type memory struct {
	mu      sync.Mutex
	orders  map[orderKey]*order
	refunds map[string]bool // booked, by [store.Refund].ID
}

func newMemory() *memory {
	return &memory{orders: map[orderKey]*order{}, refunds: map[string]bool{}}
}

func (m *memory) add(_ context.Context, kind store.Kind, number string, total money.Amount) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.order(kind, number, total)
	return nil
}

// order returns an order, which is a new one if it was not known. m.mu is held.
func (m *memory) order(kind store.Kind, number string, total money.Amount) *order {
	key := orderKey{kind, number}
	if m.orders[key] == nil {
		m.orders[key] = newOrder(kind, number, total)
	}
	return m.orders[key]
}

func (m *memory) total(_ context.Context, kind store.Kind, number string) (money.Amount, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.orders[orderKey{kind, number}]
	if o == nil || o.Total == 0 {
		return 0, false, nil
	}
	return o.Total, true, nil
}

// refund books a refund, once however often it is told. An order that was not
// known is from now on, without its total.
func (m *memory) refund(r store.Refund) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.refunds[r.ID] {
		m.refunds[r.ID] = true
		m.order(r.Kind, r.Order(), 0).add(refundNumber(r), r.Amount)
	}
}

func (m *memory) list(context.Context) ([]*order, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []*order{}
	for _, key := range slices.SortedFunc(maps.Keys(m.orders), func(a, b orderKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.number, b.number))
	}) {
		o := *m.orders[key]
		o.Refunds = maps.Clone(o.Refunds)
		all = append(all, &o)
	}
	return all, nil
}
