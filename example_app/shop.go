package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log"
	"net/http"
	"strings"
	"sync"

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
	orders     *orderBook
	events     *eventLog
	log        *log.Logger
}

// config is the shop's part of the module's configuration.
func (s *shop) config() alirefund.Config {
	return alirefund.Config{
		Store:              store.NewMemory(), // one process, and it forgets on restart
		OrderTotal:         s.orderTotal,
		OnRefundSucceeded:  s.refundSucceeded,
		OnRefundFailed:     s.refundFailed,
		OnRefundUnresolved: s.refundUnresolved,
		OnNotification:     s.notified,
	}
}

// routes mounts the module among the shop's own routes.
func (s *shop) routes(m *alirefund.Module) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(gin.Recovery())

	alipay := r.Group("/alipay")
	m.MountRefunds(alipay, s.requireStaff)
	m.MountNotify(alipay) // POST /alipay/notify; no login before it: Alipay has none

	// The other way to listen: the shop's own route for payments, behind the
	// module. Refunds of trades are notified here too, and red packets that
	// nobody claimed; the module deals with those and hands on the rest.
	alipay.POST("/pay-notify", m.Notifications(), s.payNotify)

	r.GET("/events", s.getEvents) // what a demo shows; a real shop would guard it too
	return r
}

// requireStaff is the guard: it lets those pass who know the staff's token, and
// says in the refund's record who they are.
func (s *shop) requireStaff(c *gin.Context) {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	given, wanted := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.staffToken))
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(given[:], wanted[:]) != 1 {
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
func (s *shop) orderTotal(_ context.Context, o alirefund.Order) (money.Amount, bool, error) {
	number := o.OutTradeNo
	if o.Kind == store.Coupon {
		number = o.AuthNo
	}
	total, known := s.orders.total(o.Kind, number)
	return total, known, nil
}

// The hooks. A hook that fails, or whose success could not be recorded, is
// called again; so it does its work once by Refund.ID, and then says so.

func (s *shop) refundSucceeded(_ context.Context, e alirefund.RefundSucceeded) error {
	refunded, total := s.orders.refund(e.Refund)
	s.log.Printf("%s %s: %s of %s is refunded now", e.Refund.Kind, e.Refund.Order(), refunded, total)
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

// getEvents lists the calls of the hooks, the oldest first.
func (s *shop) getEvents(c *gin.Context) { c.JSON(http.StatusOK, s.events.list()) }

// orderBook is the shop's own record of what was sold and given back, in place
// of a database.
type orderBook struct {
	mu     sync.Mutex
	orders map[orderKey]*order
}

type orderKey struct {
	kind   store.Kind
	number string // out_trade_no of a trade, auth_no of a red packet
}

type order struct {
	total   money.Amount // 0: unknown
	refunds map[string]money.Amount
}

func newOrderBook() *orderBook { return &orderBook{orders: map[orderKey]*order{}} }

func (b *orderBook) add(kind store.Kind, number string, total money.Amount) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.orders[orderKey{kind, number}] = &order{total: total, refunds: map[string]money.Amount{}}
}

func (b *orderBook) total(kind store.Kind, number string) (total money.Amount, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.orders[orderKey{kind, number}]
	if o == nil || o.total == 0 {
		return 0, false
	}
	return o.total, true
}

// refund books a refund, once however often it is told, and returns what the
// order has been refunded in all, of which total. An order that was not known
// is from now on, without its total.
func (b *orderBook) refund(r store.Refund) (refunded money.Amount, total string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := orderKey{r.Kind, r.Order()}
	o := b.orders[key]
	if o == nil {
		o = &order{refunds: map[string]money.Amount{}}
		b.orders[key] = o
	}
	o.refunds[r.ID] = r.Amount
	for _, amount := range o.refunds {
		refunded += amount
	}
	if o.total == 0 {
		return refunded, "an unknown total"
	}
	return refunded, o.total.String()
}
