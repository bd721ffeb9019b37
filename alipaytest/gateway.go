package alipaytest

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The interfaces that the fake has.
const (
	methodRefund          = "alipay.trade.refund"
	methodRefundQuery     = "alipay.trade.fastpay.refund.query"
	methodTradeQuery      = "alipay.trade.query"
	methodTradeClose      = "alipay.trade.close"
	methodCouponRefund    = "alipay.fund.coupon.order.refund"
	methodCouponOperation = "alipay.fund.coupon.operation.query"
	methodFundTransRefund = "alipay.fund.trans.refund"
	methodFundTransQuery  = "alipay.fund.trans.common.query"
)

var interfaces = map[string]func(*Alipay, *request, time.Time) (node, *failure){
	methodCertificate:     (*Alipay).download,
	methodRefund:          (*Alipay).refund,
	methodRefundQuery:     (*Alipay).refundQuery,
	methodTradeQuery:      (*Alipay).tradeQuery,
	methodTradeClose:      (*Alipay).tradeClose,
	methodCouponRefund:    (*Alipay).couponRefund,
	methodCouponOperation: (*Alipay).couponOperation,
	methodFundTransRefund: (*Alipay).fundTransRefund,
	methodFundTransQuery:  (*Alipay).fundTransQuery,
	methodUnfreeze:        (*Alipay).unfreeze,
	methodAuthQuery:       (*Alipay).authQuery,
	methodBill:            (*Alipay).billQuery,
}

// moving are the interfaces that move money.
var moving = []string{methodRefund, methodCouponRefund, methodFundTransRefund, methodUnfreeze}

// ServeHTTP is the gateway: OpenAPI version 3 at paths that begin with /v3/, the
// download of bills at theirs, version 2 at any other. A fault that leaves a call unanswered panics with
// [http.ErrAbortHandler], upon which net/http's server closes the connection.
func (a *Alipay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == billPath {
		a.downloadBill(w, r)
		return
	}
	check, answer := a.check, a.answer
	if strings.HasPrefix(r.URL.Path, "/v3/") {
		check, answer = a.checkV3, a.answerV3
	}
	q, refused := check(r, a.now())
	q.host = listeningHost(r)
	e := a.handle(q, refused)
	for _, n := range e.early {
		a.post(r.Context(), n)
	}
	// Even errors come as 200 and as text/html (opendocs, seen at the gateway).
	header := http.Header{"Content-Type": {"text/html;charset=utf-8"}}
	var body []byte
	var status int
	switch e.fault.Kind {
	case LostAnswer, LostRequest, LateRequest:
		a.conclude(e, nil, 0)
		panic(http.ErrAbortHandler)
	case HTTP500:
		body, status = []byte("<html><body><h1>500 Internal Server Error</h1></body></html>\n"), http.StatusInternalServerError
	default:
		if e.fault.Kind == Slow {
			pause(r.Context(), orDelay(e.fault.Delay, 3*time.Second))
		}
		body, status = answer(q, e, header)
	}
	a.conclude(e, body, status)
	maps.Copy(w.Header(), header)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone is its own affair
}

// execution is what became of one call.
type execution struct {
	call   *Call
	fault  Fault
	answer node
	failed *failure
	late   []*request // to be executed after this call
	early  []*notice  // to be posted before the answer
}

// handle decides what goes wrong with a call and executes it.
func (a *Alipay) handle(q *request, refused *failure) *execution {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock()
	a.expire(now)
	a.arrive(now)

	e := &execution{failed: refused, late: a.late, call: &Call{
		At: now, Method: q.method, Params: q.params, BizContent: q.content,
	}}
	a.late = nil
	a.calls = append(a.calls, e.call)
	if refused != nil {
		return e
	}
	e.fault = a.faults.next(atCall, q.method)
	e.call.Fault = e.fault.Kind
	if e.fault.Kind.executes() {
		e.answer, e.failed = interfaces[q.method](a, q, now)
		e.early = a.takeEarly()
	}
	switch e.fault.Kind {
	case LateRequest:
		if e.fault.Delay == 0 {
			a.late = append(a.late, q)
		} else {
			a.underway = append(a.underway, arrival{q, now.Add(e.fault.Delay)})
			a.wakeUp()
		}
	case SystemErrorBefore, SystemErrorAfter:
		e.answer, e.failed = nil, business(orElse(e.fault.SubCode, systemError(q.method)), "系统错误")
	case Refusal:
		e.answer, e.failed = nil, business(e.fault.SubCode, "")
	case GatewayError:
		e.failed = &failure{sub: "isv.invalid-app-id", text: "无效的AppID参数", unsigned: true}
	}
	return e
}

// conclude notes the answer and then executes what was to come late. Both are
// done before the answer's bytes leave, so that whoever reads them finds it so.
func (a *Alipay) conclude(e *execution, body []byte, status int) {
	a.mu.Lock()
	e.call.Answer, e.call.Status = string(body), status
	for _, q := range e.late {
		_, _ = interfaces[q.method](a, q, a.clock()) // nobody hears its answer
	}
	early := a.takeEarly()
	a.mu.Unlock()
	for _, n := range early {
		a.post(noContext, n)
	}
}

// arrival is a request that was under way for long. It was on time when it was sent.
type arrival struct {
	request *request
	at      time.Time
}

// arrive executes the requests that have arrived by now. a.mu is held.
func (a *Alipay) arrive(now time.Time) {
	a.underway = slices.DeleteFunc(a.underway, func(late arrival) bool {
		if late.at.After(now) {
			return false
		}
		_, _ = interfaces[late.request.method](a, late.request, now) // nobody hears its answer
		return true
	})
}

// pause lets time pass, unless the client hangs up.
func pause(ctx context.Context, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// answer writes the answer: the node, and behind it the signature of exactly the
// node's bytes.
func (a *Alipay) answer(q *request, e *execution, _ http.Header) ([]byte, int) {
	answer := e.answer
	if e.failed != nil {
		answer = e.failed.node()
	} else {
		answer = append(node{{"code", "10000"}, {"msg", "Success"}}, answer...)
	}
	if e.fault.Kind == LooseTypes {
		answer = answer.loose()
	}
	name := "error_response"
	if q.method != "" {
		name = strings.ReplaceAll(q.method, ".", "_") + "_response"
	}
	raw := answer.bytes()
	if q.encrypted && e.failed == nil {
		raw = quote(a.content.Encrypt(raw), nil)
	}
	own := a.sign.Current() // so that the certificate that is named is the one that signs
	body := append(quote(name, []byte{'{'}), ':')
	body = append(body, raw...)
	if unsigned := e.fault.Kind == NoSignature || e.failed != nil && e.failed.unsigned; !unsigned {
		if e.fault.Kind == WrongSignature {
			raw = append(raw, ' ')
		}
		if sn := own.CertificateSN(); sn != "" {
			body = append(body, `,"alipay_cert_sn":"`+sn+`"`...)
		}
		body = append(body, `,"sign":"`...)
		body = append(body, must(own.Sign(raw))...)
		body = append(body, '"')
	}
	return append(body, '}'), http.StatusOK
}

// failure is an answer that is none of success.
type failure struct {
	sub, text string
	unsigned  bool
	extra     node
}

func business(sub, text string, extra ...field) *failure {
	return &failure{sub: sub, text: text, extra: extra}
}

// node writes the failure with the code and message that go with its sub_code
// (opendocs, common error codes).
func (f *failure) node() node {
	code, msg := "40004", "Business Failed"
	switch {
	case strings.HasPrefix(f.sub, "isp."), strings.HasSuffix(f.sub, "unknow-error"):
		code, msg = "20000", "Service Currently Unavailable"
	case strings.HasPrefix(f.sub, "isv.missing-"):
		code, msg = "40001", "Missing Required Arguments"
	case strings.HasPrefix(f.sub, "isv."):
		code, msg = "40002", "Invalid Arguments"
	case strings.HasPrefix(f.sub, "aop."):
		code, msg = "20001", "Insufficient Token Permissions"
	}
	return append(node{{"code", code}, {"msg", msg}, {"sub_code", f.sub}, {"sub_msg", f.text}}, f.extra...)
}

func systemError(method string) string {
	if strings.HasPrefix(method, "alipay.fund.") {
		return "SYSTEM_ERROR"
	}
	return "ACQ.SYSTEM_ERROR"
}

// Call is one call as it came to the gateway, and what became of it.
type Call struct {
	At         time.Time         // by the fake's clock
	Method     string            // the interface; empty if the request named none
	Params     map[string]string // every parameter, of the URL and of the body
	BizContent string            // one of them: the interface's own parameters, as JSON, decrypted
	Fault      FaultKind         // what went wrong with it, or 0
	Status     int               // of the HTTP answer; 0 if there was none, or none yet
	Answer     string            // the whole body of the answer; empty if there was none
}

// Calls returns every call in the order of arrival, also those that the fake
// refused.
func (a *Alipay) Calls() []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	calls := make([]Call, len(a.calls))
	for i, call := range a.calls {
		calls[i] = *call
	}
	return calls
}

// maxBody bounds what the fake reads of a request.
const maxBody = 1 << 20

func readBody(r *http.Request) (string, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	return string(body), err
}
