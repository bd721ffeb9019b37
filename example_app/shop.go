package main

import (
	"context"
	"database/sql"
	"log"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// Where Alipay's notices come in.
const (
	notifyPath    = "/alipay/notify"     // refunds of red packets
	payNotifyPath = "/alipay/pay-notify" // payments, and what happens to them later
)

// shop is the host application: what it has anyway, and what it tells alirefund.
type shop struct {
	staffToken string
	staff      *sessions // those who are signed in
	orders     orderBook
	events     *eventLog
	log        *log.Logger
	metrics    http.Handler // what Prometheus reads, or nil
}

// with returns the shop with what Prometheus reads.
func (s *shop) with(metrics http.Handler) *shop {
	measured := *s
	measured.metrics = metrics
	return &measured
}

// config is the shop's part of the module's configuration.
func (s *shop) config(ledger store.Store) alirefund.Config {
	c := alirefund.Config{
		Store:              ledger,
		OrderTotal:         s.orderTotal,
		OnRefundFailed:     s.refundFailed,
		OnRefundUnresolved: s.refundUnresolved,
		OnNotification:     s.notified,
	}
	// One of the two, by what the orders are kept in.
	switch orders := s.orders.(type) {
	case *memory:
		c.OnRefundSucceeded = func(_ context.Context, e alirefund.RefundSucceeded) error {
			orders.refund(e.Refund)
			return s.refundSucceeded(e)
		}
	case redisBook:
		c.OnRefundSucceeded = func(ctx context.Context, e alirefund.RefundSucceeded) error {
			if err := orders.refund(ctx, e.Refund); err != nil {
				return err
			}
			return s.refundSucceeded(e)
		}
	case *database:
		c.OnRefundSucceededTx = func(ctx context.Context, tx *sql.Tx, e alirefund.RefundSucceeded) error {
			if err := orders.refund(ctx, tx, e.Refund); err != nil {
				return err
			}
			return s.refundSucceeded(e)
		}
	}
	return c
}

// routes mounts the module among the shop's own routes.
func (s *shop) routes(m *alirefund.Module) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(gin.Recovery())

	alipay := r.Group("/alipay")
	m.MountRefunds(alipay, s.requireStaff)
	m.MountNotify(alipay) // POST /alipay/notify; no login before it: Alipay has none
	alipay.GET("/openapi.json", alirefund.OpenAPI)

	// The other way to listen: the shop's own route for payments, behind the
	// module. Refunds of trades are notified here too, and red packets that
	// nobody claimed; the module deals with those and hands on the rest.
	alipay.POST("/pay-notify", m.Notifications(), s.payNotify)

	r.GET("/orders", s.requireStaff, s.getOrders)
	r.GET("/events", s.requireStaff, s.getEvents)
	r.GET("/readyz", m.Ready) // what a load balancer asks
	s.mountOps(r, m)
	if s.metrics != nil {
		r.GET("/metrics", s.requireStaff, gin.WrapH(s.metrics))
	}
	return r
}

// requireStaff is the guard: it lets those pass who know the staff's token, and
// says in the refund's record who they are.
func (s *shop) requireStaff(c *gin.Context) {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || !s.isStaff(token) {
		c.Header("WWW-Authenticate", `Bearer realm="refunds"`)
		c.Header("Content-Type", "application/problem+json; charset=utf-8")
		c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{
			"status": http.StatusUnauthorized,
			"code":   "unauthorized",
			"title":  "The staff's token is wanted",
			"detail": "Send the header Authorization: Bearer TOKEN",
		})
		return
	}
	alirefund.SetActor(c, "staff")
}

// orderTotal tells what an order or a red packet was paid with. What the book
// does not know is refunded all the same, up to Alipay's own limit.
func (s *shop) orderTotal(ctx context.Context, o alirefund.Order) (money.Amount, bool, error) {
	number := o.OutTradeNo
	if o.Kind == store.Coupon {
		number = o.AuthNo
	}
	return s.orders.total(ctx, o.Kind, number)
}

// The hooks. A hook that fails, or whose success could not be recorded, is
// called again; so it does its work once by Refund.ID, and then says so.

// refundSucceeded is the last of what the hook of a success does. In a
// transaction the row is taken back if the process dies before the commit, and
// the line is not: the next process books the row, and writes the line again.
func (s *shop) refundSucceeded(e alirefund.RefundSucceeded) error {
	s.log.Printf("%s %s: %s is refunded", e.Refund.Kind, e.Refund.Order(), e.Refund.Amount)
	return s.events.add(refundEvent(store.RefundSucceeded, e.Refund))
}

func (s *shop) refundFailed(_ context.Context, e alirefund.RefundFailed) error {
	return s.events.add(refundEvent(store.RefundFailed, e.Refund))
}

// refundUnresolved is where a real shop calls a person: waiting will not help.
func (s *shop) refundUnresolved(_ context.Context, e alirefund.RefundUnresolved) error {
	s.log.Printf("%s %s: nobody knows whether %s was refunded: %s", e.Refund.Kind, e.Refund.Order(), e.Refund.Amount, e.Reason)
	return s.events.add(refundEvent(store.RefundUnresolved, e.Refund))
}

// notified gets every genuine notice that is no refund. A real shop compares
// total_amount with its order and marks it as paid here.
func (s *shop) notified(_ context.Context, n *notify.Notification) error {
	return s.events.add(notificationEvent(n))
}

// payNotify is the shop's route for payments. Only by writing success does it
// take a notice; after anything else Alipay sends it again.
func (s *shop) payNotify(c *gin.Context) {
	n, ok := alirefund.NotificationFrom(c)
	if !ok {
		c.String(http.StatusInternalServerError, "the module's Notifications must stand before this handler")
		return
	}
	if err := s.notified(c.Request.Context(), n); err != nil {
		s.log.Printf("notice %s: %v", n.ID, err)
		c.String(http.StatusInternalServerError, "failure")
		return
	}
	c.String(http.StatusOK, "success")
}

// getOrders lists the orders and what was refunded of them.
func (s *shop) getOrders(c *gin.Context) {
	orders, err := s.orders.list(c.Request.Context())
	if err != nil {
		s.log.Printf("the orders cannot be read: %v", err)
		c.Status(http.StatusInternalServerError)
		return
	}
	c.JSON(http.StatusOK, orders)
}

// getEvents lists the newest calls of the hooks, the oldest of them first.
func (s *shop) getEvents(c *gin.Context) { c.JSON(http.StatusOK, s.events.list()) }
