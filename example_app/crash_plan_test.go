package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
)

// plan is who wants what.
type plan struct {
	totals  map[orderKey]money.Amount // that the shop's book knows
	wishes  []*wish
	console []string // orders that are refunded at Alipay's console
}

// refundKey is a refund's identity.
type refundKey struct {
	orderKey
	number string
}

// wish is a refund that a client wants.
type wish struct {
	refundKey
	amount     money.Amount
	path, body string

	status int    // of the answer for good: 200 or 422
	code   string // of the problem
}

// prepare makes the plan, and a database with what the shop's book knows.
func (c *crash) prepare(where string) {
	c.makePlan()
	if strings.HasPrefix(where, "redis:") {
		c.prepareRedis(where)
		return
	}
	c.store = c.ownPlace(where)
	d, _, err := openDatabase(c.Context(), c.store)
	if err != nil {
		c.Fatalf("%v (the flag crash.stores says what to run on)", err)
	}
	defer d.Close()
	for key, total := range c.plan.totals {
		if err := d.add(c.Context(), key.kind, key.number, total); err != nil {
			c.Fatal(err)
		}
	}
	// Each try to write a refund's row that is committed leaves a row in told,
	// whether or not the row was there before. Some tries hang, and with them the hook;
	// fewer on SQLite, where nobody else can write meanwhile.
	const row = "INSERT INTO told VALUES (NEW.id)"
	hang, rare, often := strconv.Itoa(int(crashHang/time.Second)), "3", "20" // of a thousand
	if !c.harsh {
		rare, often = "0", "0"
	}
	for _, query := range map[sqlstore.Dialect][]string{
		sqlstore.SQLite: {
			"CREATE TABLE told (id TEXT)",
			"CREATE TRIGGER telling BEFORE INSERT ON shop_refunds BEGIN " + row + "; SELECT hang() WHERE ABS(RANDOM() % 1000) < " + rare + "; END",
		},
		sqlstore.PostgreSQL: {
			"CREATE TABLE told (id TEXT)",
			"CREATE FUNCTION telling() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN " + row + "; IF 1000 * random() < " + often + " THEN PERFORM pg_sleep(" + hang + "); END IF; RETURN NEW; END'",
			"CREATE TRIGGER telling BEFORE INSERT ON shop_refunds FOR EACH ROW EXECUTE FUNCTION telling()",
		},
		sqlstore.MySQL: {
			"CREATE TABLE told (id VARBINARY(256))",
			"CREATE TRIGGER telling BEFORE INSERT ON shop_refunds FOR EACH ROW BEGIN " + row + "; IF 1000 * RAND() < " + often + " THEN DO SLEEP(" + hang + "); END IF; END",
		},
	}[d.dialect] {
		if _, err := d.ExecContext(c.Context(), query); err != nil {
			c.Fatalf("%s: %v", query, err)
		}
	}
}

// prepareRedis is prepare for a database of a Redis server that is empty, and emptied
// afterwards. Its rows are keyed by refund, so that none is written twice.
func (c *crash) prepareRedis(where string) {
	var book redisBook
	c.store, book = c.emptyRedis(where)
	c.Cleanup(func() {
		if err := errors.Join(book.FlushDB(context.Background()).Err(), book.Close()); err != nil {
			c.Error(err)
		}
	})
	for key, total := range c.plan.totals {
		if err := book.add(c.Context(), key.kind, key.number, total); err != nil {
			c.Fatal(err)
		}
	}
}

// emptyRedis takes the first empty database from that of where on.
func (c *crash) emptyRedis(where string) (name string, book redisBook) {
	u, err := url.Parse(where)
	if err != nil {
		c.Fatal(err)
	}
	first, err := strconv.Atoi(strings.TrimPrefix(u.Path, "/"))
	if err != nil {
		c.Fatal(err)
	}
	for n := first; ; n++ {
		u.Path = "/" + strconv.Itoa(n)
		book, _, err := openRedis(u.String())
		if err != nil {
			c.Fatalf("no database is empty, from %s on: %v (the flags crash.stores and several.stores say what to run on)", where, err)
		}
		if size, err := book.DBSize(c.Context()).Result(); err != nil {
			c.Fatal(err)
		} else if size == 0 && book.SetNX(c.Context(), "crash:taken", c.Name(), 0).Val() {
			return u.String(), book
		}
		book.Close()
	}
}

// ownPlace makes a place of the test's own in a database, and removes it
// afterwards.
func (c *crash) ownPlace(where string) string {
	scheme, _, _ := strings.Cut(where, ":")
	if scheme == "sqlite" {
		return "sqlite:" + filepath.Join(c.dir, "shop.db")
	}
	server, err := connect(where)
	if err != nil {
		c.Fatal(err)
	}
	u, err := url.Parse(where)
	if err != nil {
		c.Fatal(err)
	}
	name, create, drop := "crash_"+strings.ToLower(rand.Text()[:12]), "CREATE DATABASE ", "DROP DATABASE "
	if server.dialect == sqlstore.PostgreSQL {
		create, drop = "CREATE SCHEMA ", "DROP SCHEMA "
		q := u.Query()
		q.Set("search_path", name)
		u.RawQuery = q.Encode()
	} else {
		u.Path = "/" + name
	}
	if _, err := server.ExecContext(c.Context(), create+name); err != nil {
		c.Fatalf("%v (the flag crash.stores says what to run on)", err)
	}
	c.Cleanup(func() {
		defer server.Close()
		if server.dialect == sqlstore.PostgreSQL {
			name += " CASCADE"
		}
		if _, err := server.Exec(drop + name); err != nil {
			c.Error(err)
		}
	})
	return u.String()
}

// makePlan pays orders and red packets, and wants refunds of them, in random
// order: whole and in parts, and of some more than there is.
func (c *crash) makePlan() {
	c.plan.totals = map[orderKey]money.Amount{}
	for n := 0; len(c.plan.wishes) < c.refunds; n++ {
		order, amount := fmt.Sprintf("order-%d", n), money.Amount(1+c.rand.Int64N(100_00))
		switch dice := c.rand.IntN(20); {
		case dice == 0:
			c.plan.console = append(c.plan.console, order)
			c.trade(order, amount+1_00)
		case dice == 1: // nobody claims it, and in a while Alipay returns it
			c.packet(order, amount, time.Duration(1+c.rand.IntN(20))*time.Minute)
		case dice < 5:
			c.trade(order, amount)
			c.want(orderKey{store.Trade, order}, order, amount) // whole, without a number of its own
		case dice < 15:
			c.parts(orderKey{store.Trade, order}, c.trade)
		default:
			c.parts(orderKey{store.Coupon, order}, func(order string, total money.Amount) {
				c.packet(order, total, 1000*time.Hour)
			})
		}
	}
	c.rand.Shuffle(len(c.plan.wishes), func(i, j int) {
		c.plan.wishes[i], c.plan.wishes[j] = c.plan.wishes[j], c.plan.wishes[i]
	})
}

// parts pays an order by pay and wants it back in parts. One in four orders has
// not all that much. The shop knows that of every such red packet, so that none
// of their refunds is refused by Alipay: after a send without an answer only a
// person can tell what a refusal means, and there is none here.
func (c *crash) parts(key orderKey, pay func(order string, total money.Amount)) {
	var total money.Amount
	for n := range 2 + c.rand.IntN(4) {
		amount := money.Amount(1 + c.rand.Int64N(50_00))
		total += amount
		c.want(key, fmt.Sprintf("%s-%d", key.number, n), amount)
	}
	short := c.rand.IntN(4) == 0
	if short {
		total = max(total-total/4, 1)
	}
	pay(key.number, total)
	if c.rand.IntN(2) == 0 || short && key.kind == store.Coupon {
		c.plan.totals[key] = total
	}
}

func (c *crash) trade(order string, total money.Amount) {
	c.fake.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: total, NotifyURL: c.base + payNotifyPath})
}

func (c *crash) packet(order string, total money.Amount, life time.Duration) {
	c.fake.AddRedPacket(alipaytest.RedPacket{
		AuthNo: order, OutOrderNo: order + "-paid", Amount: total, NotifyURL: c.base + payNotifyPath, ExpiresAt: time.Now().Add(life),
	})
}

func (c *crash) want(key orderKey, number string, amount money.Amount) {
	w := &wish{refundKey: refundKey{key, number}, amount: amount}
	fields := map[string]any{"out_request_no": number}
	if key.kind == store.Coupon {
		w.path = "/alipay/coupon-refunds"
		fields["auth_no"], fields["amount"], fields["remark"] = key.number, amount, "rest"
		if c.rand.IntN(2) == 0 { // else Alipay cannot be asked about it
			fields["out_order_no"] = key.number + "-paid"
		}
	} else {
		w.path = "/alipay/refunds"
		fields["out_trade_no"], fields["refund_amount"] = key.number, amount
		if number == key.number {
			delete(fields, "out_request_no")
		}
	}
	body, err := json.Marshal(fields)
	if err != nil {
		c.Fatal(err)
	}
	w.body = string(body)
	c.plan.wishes = append(c.plan.wishes, w)
}
