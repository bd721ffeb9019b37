package alirefund

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/notify"
)

// MaxBody is the size of the largest body that the routes read, 64 KiB.
const MaxBody = notify.MaxBody

// bodyTime is how long the body of a notification may take to arrive. Alipay's take
// milliseconds; a stranger's could take as long as they like.
const bodyTime = 10 * time.Second

// keys of gin.Context.
const (
	actorKey        = "alirefund.actor"
	approvalKey     = "alirefund.approval"
	notificationKey = "alirefund.notification"
)

// SetActor names who asks, for the refund's record. A guard calls it.
func SetActor(c *gin.Context, actor string) { c.Set(actorKey, actor) }

// Actor is who the guard says asks; empty if it does not say.
func Actor(c *gin.Context) string { return c.GetString(actorKey) }

// GrantApproval lets who asks approve and decline refunds that await a second person's
// approval ([engine.Config.NeedsApproval]), by the routes and on the console's pages. A
// guard calls it, beside [SetActor], for those who may. Nobody approves what he asked for
// himself.
func GrantApproval(c *gin.Context) { c.Set(approvalKey, true) }

// MayApprove tells whether the guard lets who asks approve refunds.
func MayApprove(c *gin.Context) bool { return c.GetBool(approvalKey) }

// AlreadyProtected is a guard that lets everybody pass. It is for groups that
// the host protects by other means, which then call [SetActor] and [GrantApproval]
// themselves; anybody who reaches the routes can refund.
func AlreadyProtected(*gin.Context) {}

// limitBody refuses what is larger than [MaxBody] when it is read.
func limitBody(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, MaxBody)
}

// Notifications is [Module.MountNotify] as a middleware, for the notify_url of
// payments, which the host has already: notices of trade refunds and of a red
// packet's automatic return arrive there. It verifies, deduplicates by
// notify_id, and deals with refunds and deposit-backs itself. Every other genuine
// notification, the application gateway's messages among them, it hands to the
// next handler, which reads it by [NotificationFrom], or from the body as before,
// and acknowledges it by writing exactly success with status 200; with anything
// else, or a panic, it comes again.
//
// With Config.Apps it is for all applications, and [engine.Engine] turns to the one that
// the body names; behind a route with a parameter :app, to that one.
//
// No login may stand before it, and nothing that changes the body.
func (m *Module) Notifications() gin.HandlerFunc {
	return func(c *gin.Context) {
		n, err := m.open(c)
		if err != nil {
			writeProblem(c, problemOf(err, wantsChinese(c)))
			return
		}
		held := &heldResponse{ResponseWriter: c.Writer}
		err = m.Handle(c.Request.Context(), n, func(context.Context) error {
			c.Writer = held
			defer func() { c.Writer = held.ResponseWriter }()
			c.Next()
			switch {
			case !held.Written():
				return errUnhandled
			case held.Status() != http.StatusOK || held.body.String() != success:
				return errNotAcknowledged
			}
			return nil
		})
		switch {
		case errors.Is(err, errNotAcknowledged):
			held.release() // the host's own words
			c.Abort()
		case err != nil:
			m.refuse(c, err)
		default:
			acknowledge(c)
		}
	}
}

// NotificationFrom returns the verified notification of this request: to the handler
// behind [Module.Notifications], and, once the route has answered, to a middleware in
// front of any notify route, which may want to know whether it was genuine.
func NotificationFrom(c *gin.Context) (*notify.Notification, bool) {
	n, ok := c.Value(notificationKey).(*notify.Notification)
	return n, ok
}

// errUnhandled: the host's handler wrote nothing.
var errUnhandled = fmt.Errorf("%w: the handler behind Notifications wrote nothing", engine.ErrUnhandled)

// errNotAcknowledged: the host's handler answered, but not with success.
var errNotAcknowledged = errors.New("alirefund: the host's handler did not acknowledge the notification")

// open reads and verifies a notification, within a time.
func (m *Module) open(c *gin.Context) (*notify.Notification, error) {
	if kept, ok := c.Get(gin.BodyBytesKey); ok { // an earlier ShouldBindBodyWith
		if body, ok := kept.([]byte); ok {
			c.Request.Body = io.NopCloser(bytes.NewReader(body))
		}
	}
	slow := http.NewResponseController(c.Writer)
	_ = slow.SetReadDeadline(time.Now().Add(bodyTime)) // a server without deadlines has its own ways
	n, err := m.receive(c)
	if err != nil {
		return nil, err // and the deadline stays, for net/http reads what is left of a body
	}
	_ = slow.SetReadDeadline(time.Time{}) // all is read, and a hook may take its time
	c.Set(notificationKey, n)
	return n, nil
}

// receive opens a notification, at an address of one application's or at everybody's.
func (m *Module) receive(c *gin.Context) (*notify.Notification, error) {
	if !m.several {
		return m.Receive(c.Request)
	}
	appID, err := appOf(c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", notify.ErrNotOurs, err)
	}
	return m.ReceiveFor(c.Request, appID)
}

// refuse answers a genuine notification with anything but success, and says why in
// the log, which is where the merchant looks.
func (m *Module) refuse(c *gin.Context, err error) {
	m.Logger().WarnContext(c.Request.Context(), "a notification was not acknowledged", "error", err)
	writeProblem(c, problemOf(err, wantsChinese(c)))
}

// heldResponse keeps what a handler writes until it is known whether the claim
// could be completed.
type heldResponse struct {
	gin.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *heldResponse) WriteHeader(status int) {
	if h.status == 0 || h.body.Len() == 0 {
		h.status = status
	}
}

func (h *heldResponse) WriteHeaderNow() {
	if h.status == 0 {
		h.status = http.StatusOK
	}
}

func (h *heldResponse) Write(data []byte) (int, error) {
	h.WriteHeaderNow()
	return h.body.Write(data)
}

func (h *heldResponse) WriteString(text string) (int, error) {
	h.WriteHeaderNow()
	return h.body.WriteString(text)
}

func (h *heldResponse) Flush()        {}
func (h *heldResponse) Written() bool { return h.status != 0 }
func (h *heldResponse) Size() int     { return h.body.Len() }

func (h *heldResponse) Status() int {
	if h.status == 0 {
		return http.StatusOK
	}
	return h.status
}

func (h *heldResponse) release() {
	h.ResponseWriter.WriteHeader(h.Status())
	_, _ = h.ResponseWriter.Write(h.body.Bytes())
}
