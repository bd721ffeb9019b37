package alirefund

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// MountRefunds adds the routes that refund:
//
//	POST /refunds         refund a trade
//	POST /coupon-refunds  return a red packet
//	GET  /refunds         the refunds, by order, state and time
//	GET  /refunds/:id     what is known of a refund
//
// guard decides who may; it aborts the context to refuse, and names the actor
// by [SetActor]. more runs behind it. A nil guard panics, at start-up and not at
// night: [AlreadyProtected] is the way to say that none is needed.
func (m *Module) MountRefunds(r gin.IRouter, guard gin.HandlerFunc, more ...gin.HandlerFunc) {
	if guard == nil {
		panic("alirefund: MountRefunds wants a guard; alirefund.AlreadyProtected says that the group has one")
	}
	chain := func(last gin.HandlerFunc) []gin.HandlerFunc {
		return append(append([]gin.HandlerFunc{limitBody, guard}, more...), last)
	}
	r.POST("/refunds", chain(m.postRefund)...)
	r.POST("/coupon-refunds", chain(m.postCouponRefund)...)
	r.GET("/refunds", chain(m.listRefunds)...)
	r.GET("/refunds/:id", chain(m.getRefund)...)
}

// MountNotify adds the routes that listen:
//
//	POST /notify   notifications; its address is App.NotifyURL
//	POST /gateway  messages, if it is set as the application's gateway (应用网关)
//	               in Alipay's console
//
// Both take both, so that nothing is lost where one address serves for the other.
// No login may stand before them: Alipay has none, and the signature is the check.
func (m *Module) MountNotify(r gin.IRouter) {
	r.POST("/notify", m.postNotify)
	r.POST("/gateway", m.postNotify)
}

// Plugin is a part of the module in the form that gin-vue-admin's plugins have.
type Plugin struct {
	path     string
	register func(gin.IRouter)
}

// Register mounts the plugin's routes.
func (p *Plugin) Register(group *gin.RouterGroup) { p.register(group) }

// RouterPath is the path of the group that Register is called with.
func (p *Plugin) RouterPath() string { return p.path }

// RefundPlugin is [Module.MountRefunds] as a plugin of gin-vue-admin's.
func (m *Module) RefundPlugin(path string, guard gin.HandlerFunc) *Plugin {
	return &Plugin{path, func(r gin.IRouter) { m.MountRefunds(r, guard) }}
}

// NotifyPlugin is [Module.MountNotify] as a plugin of gin-vue-admin's, for its
// public group.
func (m *Module) NotifyPlugin(path string) *Plugin { return &Plugin{path, m.MountNotify} }

func (m *Module) postRefund(c *gin.Context) {
	var request RefundRequest
	if m.read(c, request.fields(), &request) {
		request.Actor = c.GetString(actorKey)
		result, err := m.refundTrade(c.Request.Context(), request)
		m.answerRefund(c, result, err)
	}
}

func (m *Module) postCouponRefund(c *gin.Context) {
	var request CouponRefundRequest
	if m.read(c, request.fields(), &request) {
		request.Actor = c.GetString(actorKey)
		result, err := m.refundCoupon(c.Request.Context(), request)
		m.answerRefund(c, result, err)
	}
}

func (m *Module) getRefund(c *gin.Context) {
	result, err := m.Get(c.Request.Context(), c.Param("id"))
	if err != nil {
		m.fail(c, Result{Refund: store.Refund{ID: c.Param("id")}}, err)
		return
	}
	if result.Refund.State == store.Pending {
		retryAfter(c, retrySeconds)
	}
	result.Refund.Answer = displayable(result.Refund.Answer)
	c.PureJSON(http.StatusOK, struct {
		store.Refund
		Delivered bool `json:"delivered"`
	}{result.Refund, result.Delivered})
}

func (m *Module) postNotify(c *gin.Context) {
	n, err := m.open(c)
	if err == nil {
		err = m.receive(c.Request.Context(), n, func(ctx context.Context) error { return m.hook(ctx, n) })
	}
	if err != nil {
		m.refuse(c, err)
		return
	}
	acknowledge(c)
}

var errMediaType = errors.New("alirefund: Content-Type must be application/json")

// read decodes and validates a body into request, whose fields are given, or
// answers with what is wrong.
func (m *Module) read(c *gin.Context, fields []jsonField, request any) bool {
	written, err := m.readFields(c, fields)
	if err == nil {
		err = m.rules.check(request, written)
	}
	if err != nil {
		m.fail(c, Result{}, err)
	}
	return err == nil
}

func (m *Module) readFields(c *gin.Context, fields []jsonField) (written map[string]string, err error) {
	// Another type could be sent by a form on a page of somebody else's.
	if kind, _, err := mime.ParseMediaType(c.GetHeader("Content-Type")); err != nil || kind != "application/json" {
		return nil, errMediaType
	}
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, err
		}
		return nil, notJSON()
	}
	return decode(body, fields)
}

// retrySeconds is when an unresolved refund is worth asking about again.
const retrySeconds = 10

// view is how a refund is answered: Alipay's words, beside what this module adds.
type view struct {
	ID           string       `json:"id"`
	State        store.State  `json:"state"`
	Kind         store.Kind   `json:"kind"`
	Merchant     string       `json:"merchant,omitempty"`
	OutTradeNo   string       `json:"out_trade_no,omitempty"`
	TradeNo      string       `json:"trade_no,omitempty"`
	AuthNo       string       `json:"auth_no,omitempty"`
	OutOrderNo   string       `json:"out_order_no,omitempty"`
	OperationID  string       `json:"operation_id,omitempty"`
	OutRequestNo string       `json:"out_request_no,omitempty"`
	Amount       money.Amount `json:"amount,omitempty"`
	Source       store.Source `json:"source,omitempty"`
	Delivered    bool         `json:"delivered"`
	Repeated     bool         `json:"repeated"`
	Retryable    bool         `json:"retryable,omitempty"`
	// While it is unresolved: whether it is being sent just now, why a person
	// should look, and what was last heard.
	InProgress bool       `json:"in_progress,omitempty"`
	Attention  string     `json:"attention,omitempty"`
	Heard      *heard     `json:"heard,omitempty"`
	SettledAt  time.Time  `json:"settled_at,omitzero"`
	Alipay     store.JSON `json:"alipay,omitempty"`
}

type heard struct {
	Code    string `json:"code,omitempty"`
	SubCode string `json:"sub_code,omitempty"`
	Message string `json:"message,omitempty"`
}

func viewOf(res Result) *view {
	r := res.Refund
	v := &view{
		ID: r.ID, State: r.State, Kind: r.Kind, Merchant: r.Merchant,
		OutTradeNo: r.OutTradeNo, TradeNo: r.TradeNo,
		AuthNo: r.AuthNo, OutOrderNo: r.OutOrderNo, OperationID: r.OperationID, OutRequestNo: r.OutRequestNo,
		Amount: r.Amount, Source: r.Source, Delivered: res.Delivered, Repeated: res.Repeated, Retryable: r.Retryable,
		Attention: r.Attention, SettledAt: r.SettledAt, Alipay: displayable(r.Answer),
	}
	if r.State == store.Pending && (r.Code != "" || r.Message != "") {
		v.Heard = &heard{r.Code, r.SubCode, r.Message}
	}
	return v
}

// displayable is a node fit for an answer in UTF-8: as it came but for blanks,
// unless the gateway put other bytes into it.
func displayable(node store.JSON) store.JSON {
	return store.JSON(strings.ToValidUTF8(string(node), "\uFFFD"))
}

func (m *Module) answerRefund(c *gin.Context, result Result, err error) {
	var unresolved *UnresolvedError
	switch {
	case err == nil:
		c.PureJSON(http.StatusOK, viewOf(result))
	case errors.As(err, &unresolved):
		v := viewOf(result)
		v.InProgress = unresolved.InProgress
		m.log.WarnContext(c.Request.Context(), "a refund is unresolved", "refund", v.ID, "out_request_no", v.OutRequestNo, "in_progress", v.InProgress)
		c.Header("Location", path.Join(path.Dir(c.Request.URL.Path), "refunds", v.ID))
		retryAfter(c, retrySeconds)
		c.PureJSON(http.StatusAccepted, v)
	default:
		m.fail(c, result, err)
	}
}
