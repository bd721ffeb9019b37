package alirefund

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/internal/guarding"
	"github.com/alirefund/alirefund/store"
)

// MountRefunds adds the routes that refund:
//
//	POST /refunds              refund a trade
//	POST /coupon-refunds       return a red packet
//	POST /unfreezes            release a pre-authorisation
//	GET  /refunds              the refunds, by order, state and time
//	GET  /refunds/:id          what is known of a refund
//	POST /refunds/:id/approve  a second person approves a refund, and it is sent
//	POST /refunds/:id/decline  a person declines it
//	GET  /audits               the days that were held against Alipay's bill
//	GET  /audits/:day          what was found about one
//
// A caller who sends Prefer: respond-async is answered 202 as soon as a refund is recorded;
// see [RefundRequest].
//
// guard decides who may; it aborts the context to refuse (what it has answered goes no
// further in any case), and need not call c.Next. It names the actor by [SetActor], and the
// application by [SetApp] if there are several; who may approve and decline it says by
// [GrantApproval]. more runs behind it. A nil guard panics, at start-up and not at night:
// [AlreadyProtected] is the way to say that none is needed.
func (m *Module) MountRefunds(r gin.IRouter, guard gin.HandlerFunc, more ...gin.HandlerFunc) {
	if guard == nil {
		panic("alirefund: MountRefunds wants a guard; alirefund.AlreadyProtected says that the group has one")
	}
	chain := func(last ...gin.HandlerFunc) []gin.HandlerFunc {
		return slices.Concat([]gin.HandlerFunc{limitBody}, guarding.Behind(guard, m.unaborted), more, last)
	}
	r.POST("/refunds", chain(m.postRefund)...)
	r.POST("/coupon-refunds", chain(m.postCouponRefund)...)
	r.POST("/unfreezes", chain(m.postUnfreeze)...)
	r.GET("/refunds", chain(m.listRefunds)...)
	r.GET("/refunds/:id", chain(m.getRefund)...)
	r.GET("/audits", chain(m.listAudits)...)
	r.GET("/audits/:day", chain(m.getAudit)...)
	r.POST("/refunds/:id/approve", chain(mayApprove, m.postApprove)...)
	r.POST("/refunds/:id/decline", chain(mayApprove, m.postDecline)...)
}

// unaborted tells of a guard that refuses and does not abort.
func (m *Module) unaborted(c *gin.Context) {
	m.Logger().WarnContext(c.Request.Context(), "the guard has answered and not aborted; the request goes no further", "status", c.Writer.Status())
}

// MountNotify adds the routes that listen:
//
//	POST /notify   notifications; its address is App.NotifyURL
//	POST /gateway  messages, if it is set as the application's gateway (应用网关)
//	               in Alipay's console
//
// Both take both, so that nothing is lost where one address serves for the other.
// With Config.Apps there are POST /notify/:app and POST /gateway/:app, too: addresses of
// one application each, which take no other's.
//
// No login may stand before them: Alipay has none, and the signature is the check.
func (m *Module) MountNotify(r gin.IRouter) {
	r.POST("/notify", m.postNotify)
	r.POST("/gateway", m.postNotify)
	if m.several {
		r.POST("/notify/:"+appParam, m.postNotify)
		r.POST("/gateway/:"+appParam, m.postNotify)
	}
}

func (m *Module) postRefund(c *gin.Context) {
	var request RefundRequest
	m.refund(c, &request, func(ctx context.Context, e *engine.Engine) (Result, error) {
		request.Actor, request.Async = Actor(c), prefersAsync(c)
		return e.Refund(ctx, request)
	})
}

func (m *Module) postCouponRefund(c *gin.Context) {
	var request CouponRefundRequest
	m.refund(c, &request, func(ctx context.Context, e *engine.Engine) (Result, error) {
		request.Actor, request.Async = Actor(c), prefersAsync(c)
		return e.CouponRefund(ctx, request)
	})
}

func (m *Module) postUnfreeze(c *gin.Context) {
	var request UnfreezeRequest
	m.refund(c, &request, func(ctx context.Context, e *engine.Engine) (Result, error) {
		request.Actor, request.Async = Actor(c), prefersAsync(c)
		return e.Unfreeze(ctx, request)
	})
}

// refund reads the body into request, and answers what then becomes of it.
func (m *Module) refund(c *gin.Context, request any, then func(context.Context, *engine.Engine) (Result, error)) {
	e, err := m.engine(c)
	if err != nil {
		m.fail(c, Result{}, err)
		return
	}
	written, err := decodeBody(c, request)
	if unread, ok := errors.AsType[*ValidationError](err); ok {
		err = alsoWrong(unread, asWritten(e.Check(request), written), request)
	}
	if err != nil {
		m.fail(c, Result{}, err)
		return
	}
	result, err := then(c.Request.Context(), e)
	if errors.Is(err, ErrUnresolved) && prefersAsync(c) {
		c.Header(preferenceApplied, respondAsync)
	}
	m.answer(c, result, asWritten(err, written), path.Join(path.Dir(c.Request.URL.Path), "refunds", result.Refund.ID))
}

const (
	respondAsync      = "respond-async"
	preferenceApplied = "Preference-Applied"
)

// prefersAsync tells whether the caller would rather be answered before the refund is sent
// than wait for it (Prefer: respond-async, RFC 7240).
func prefersAsync(c *gin.Context) bool {
	for preference := range strings.SplitSeq(strings.Join(c.Request.Header.Values("Prefer"), ","), ",") {
		name, _, _ := strings.Cut(preference, ";")
		if strings.EqualFold(strings.TrimSpace(name), respondAsync) {
			return true
		}
	}
	return false
}

// mayApprove refuses who may not decide about refunds that await approval.
func mayApprove(c *gin.Context) {
	if !MayApprove(c) {
		writeProblem(c, problemOf(errNotGranted, wantsChinese(c)))
	}
}

func (m *Module) postApprove(c *gin.Context) {
	e, err := m.engine(c)
	var result Result
	if err == nil {
		result, err = e.Approve(c.Request.Context(), c.Param("id"), Actor(c))
	}
	m.answer(c, result, err, path.Dir(c.Request.URL.Path))
}

// declineRequest is the body of POST /refunds/:id/decline.
type declineRequest struct {
	Reason string `json:"reason" validate:"required"` // for the refund's history
}

func (m *Module) postDecline(c *gin.Context) {
	e, err := m.engine(c)
	var request declineRequest
	if err == nil {
		_, err = decodeBody(c, &request)
	}
	var result Result
	if err == nil {
		result, err = e.Decline(c.Request.Context(), c.Param("id"), Actor(c), request.Reason)
	}
	m.answer(c, result, err, "")
}

// answer answers with a refund that succeeded, is unresolved, or awaits approval, or with
// a problem. location is where it is looked up.
func (m *Module) answer(c *gin.Context, result Result, err error, location string) {
	var unresolved *UnresolvedError
	v := viewOf(result)
	switch {
	case err == nil:
		c.PureJSON(http.StatusOK, v)
	case errors.Is(err, ErrAwaitingApproval):
		accepted(c, v, location)
	case errors.As(err, &unresolved):
		v.InProgress = unresolved.InProgress
		level := slog.LevelWarn
		if c.Writer.Header().Get(preferenceApplied) != "" {
			level = slog.LevelInfo // as was asked for
		}
		m.Logger().Log(c.Request.Context(), level, "a refund is unresolved", "refund", v.ID, "out_request_no", v.OutRequestNo, "in_progress", v.InProgress)
		accepted(c, v, location)
	default:
		m.fail(c, result, err)
	}
}

// accepted answers that it is not known yet what becomes of a refund.
func accepted(c *gin.Context, v *view, location string) {
	c.Header("Location", location)
	retryAfter(c, retrySeconds)
	c.PureJSON(http.StatusAccepted, v)
}

func (m *Module) getRefund(c *gin.Context) {
	e, err := m.engine(c)
	var result Result
	if err == nil {
		result, err = e.Get(c.Request.Context(), c.Param("id"))
	}
	if err != nil {
		m.fail(c, Result{Refund: store.Refund{ID: c.Param("id")}}, err)
		return
	}
	if result.Refund.State == store.Pending {
		retryAfter(c, retrySeconds)
	}
	result.Refund.Answer = displayable(result.Refund.Answer)
	c.PureJSON(http.StatusOK, recordView{result.Refund, result.Delivered})
}

func (m *Module) postNotify(c *gin.Context) {
	n, err := m.open(c)
	if err != nil {
		writeProblem(c, problemOf(err, wantsChinese(c)))
		return
	}
	if err := m.Handle(c.Request.Context(), n, nil); err != nil {
		m.refuse(c, err)
		return
	}
	acknowledge(c)
}

// retrySeconds is when an unresolved refund is worth asking about again.
const retrySeconds = 10
