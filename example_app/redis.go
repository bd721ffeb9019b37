package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/redisstore"
)

// redisBook is an order book in the Redis that holds alirefund's ledger too. No
// transaction writes to both, so that each refund is booked once by its id.
type redisBook struct{ *redis.Client }

// Two hashes: totals by order, and refunds by [store.Refund].ID.
const (
	bookOrders  = "shop:orders"
	bookRefunds = "shop:refunds"
)

// booked is a refund as the book keeps it.
type booked struct {
	ID           string
	Kind         store.Kind
	Number       string
	OutRequestNo string
	Amount       int64
}

// openRedis opens what -store names. What is wrong with that is said without repeating
// it, for it may hold a password.
func openRedis(name string) (redisBook, *redisstore.Store, error) {
	options, err := redis.ParseURL(name)
	if err != nil {
		return redisBook{}, nil, errors.New("wants the form redis://user:password@host:6379/0")
	}
	options.ContextTimeoutEnabled = true // whoever asks has a limit, and means it
	book := redisBook{redis.NewClient(options)}
	ledger, err := redisstore.New(book)
	if err != nil {
		return redisBook{}, nil, errors.Join(err, book.Close())
	}
	return book, ledger, nil
}

// bookKey is a field of bookOrders.
func bookKey(kind store.Kind, number string) string { return string(kind) + " " + number }

func (b redisBook) add(ctx context.Context, kind store.Kind, number string, total money.Amount) error {
	return b.HSetNX(ctx, bookOrders, bookKey(kind, number), int64(total)).Err()
}

func (b redisBook) total(ctx context.Context, kind store.Kind, number string) (money.Amount, bool, error) {
	total, err := b.HGet(ctx, bookOrders, bookKey(kind, number)).Int64()
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return money.Amount(total), total != 0, err
}

// refund books a refund, once however often it is told. An order that was not known is
// from now on, without its total.
func (b redisBook) refund(ctx context.Context, r store.Refund) error {
	if err := b.add(ctx, r.Kind, r.Order(), 0); err != nil {
		return err
	}
	row, err := json.Marshal(booked{r.ID, r.Kind, r.Order(), r.OutRequestNo, int64(r.Amount)})
	if err != nil {
		return err
	}
	return b.HSetNX(ctx, bookRefunds, r.ID, row).Err()
}

func (b redisBook) list(ctx context.Context) ([]*order, error) {
	totals, err := b.HGetAll(ctx, bookOrders).Result()
	rows, err2 := b.HVals(ctx, bookRefunds).Result()
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	m := newMemory()
	for _, text := range rows {
		var row booked
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			return nil, fmt.Errorf("a booked refund: %w", err)
		}
		key := bookKey(row.Kind, row.Number)
		total, err := strconv.ParseInt(cmp.Or(totals[key], "0"), 10, 64)
		if err != nil {
			return nil, err
		}
		delete(totals, key)
		o := m.order(row.Kind, row.Number, money.Amount(total))
		o.add(refundNumber(store.Refund{ID: row.ID, OutRequestNo: row.OutRequestNo}), money.Amount(row.Amount))
	}
	for key, text := range totals { // of which nothing was refunded
		total, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, err
		}
		kind, number, _ := strings.Cut(key, " ")
		m.order(store.Kind(kind), number, money.Amount(total))
	}
	return m.list(ctx)
}
