package alirefund

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/text/language"

	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// problem is an RFC 9457 answer. Code is stable; texts are for people.
type problem struct {
	Status int            `json:"status"`
	Code   string         `json:"code"`
	Title  string         `json:"title"`
	Detail string         `json:"detail,omitempty"`
	Errors []problemField `json:"errors,omitempty"`
	// What Alipay said, if it refused.
	AlipayCode string `json:"alipay_code,omitempty"`
	SubCode    string `json:"sub_code,omitempty"`
	SubMsg     string `json:"sub_msg,omitempty"`
	TraceID    string `json:"trace_id,omitempty"`
	// The refund, where there is one.
	*view

	after time.Duration // when to come again, if that is known
}

type problemField struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// The stable codes of problems, their status and title.
var problems = map[string]struct {
	status int
	title  Text
}{
	"not_json":               {http.StatusBadRequest, Text{En: "The body is not the JSON that is wanted", Zh: "请求体格式不符合要求"}},
	"unknown_field":          {http.StatusBadRequest, Text{En: "The body has a field that is not known", Zh: "请求体包含未知字段"}},
	"repeated_field":         {http.StatusBadRequest, Text{En: "The body has a field twice", Zh: "请求体有重复字段"}},
	"unsupported_media_type": {http.StatusUnsupportedMediaType, Text{En: "Content-Type must be application/json", Zh: "Content-Type 必须是 application/json"}},
	"too_large":              {http.StatusRequestEntityTooLarge, Text{En: "The body is larger than 64 KiB", Zh: "请求体超过 64 KiB"}},
	"invalid_fields":         {http.StatusUnprocessableEntity, Text{En: "Some fields are wrong", Zh: "部分字段有误"}},
	"number_conflict":        {http.StatusConflict, Text{En: "The request number was used for another refund", Zh: "该退款请求号已用于另一笔退款"}},
	"vetoed":                 {http.StatusForbidden, Text{En: "This application does not allow the refund", Zh: "本应用不允许该退款"}},
	"too_many_refunds":       {http.StatusTooManyRequests, Text{En: "Too many refunds for now; nothing was recorded, repeat the request later", Zh: "退款过于频繁，未做任何登记，请稍后以原请求重试"}},
	"exceeds_order":          {http.StatusUnprocessableEntity, Text{En: "The order has not that much left to refund", Zh: "超出订单剩余可退金额"}},
	"actor_missing":          {http.StatusForbidden, Text{En: "A second person approves this refund, so that it must be known who asks", Zh: "该退款需要审批，必须知道操作人"}},
	"may_not_approve":        {http.StatusForbidden, Text{En: "You may not approve or decline this refund", Zh: "您无权审批该退款"}},
	"not_awaiting_approval":  {http.StatusConflict, Text{En: "The refund awaits no approval, or not any more", Zh: "该退款不在待审批状态"}},
	"declined":               {http.StatusUnprocessableEntity, Text{En: "The refund was declined; nothing was sent", Zh: "退款申请被驳回，未发送"}},
	"approval_expired":       {http.StatusUnprocessableEntity, Text{En: "Nobody approved the refund in time; nothing was sent", Zh: "退款申请逾期未审批，未发送"}},
	"alipay_refused":         {http.StatusUnprocessableEntity, Text{En: "Alipay refused the refund; nothing moved", Zh: "支付宝拒绝了退款，资金未变动"}},
	"nothing_sent":           {http.StatusServiceUnavailable, Text{En: "This request sent nothing to Alipay; repeat it as it is", Zh: "本次请求未向支付宝发送任何内容，请原样重试"}},
	"not_found":              {http.StatusNotFound, Text{En: "No refund has this id", Zh: "没有该编号的退款"}},
	"not_audited":            {http.StatusNotFound, Text{En: "That day was not audited", Zh: "该日尚未对账"}},
	"store_failed":           {http.StatusServiceUnavailable, Text{En: "The store failed; repeat the same request, under the same number", Zh: "存储出错，请以同一退款请求号原样重试"}},
	"unknown_app":            {http.StatusNotFound, Text{En: "There is no such application here", Zh: "没有该应用"}},
	"app_unavailable":        {http.StatusServiceUnavailable, Text{En: "The application cannot be had now; repeat the same request", Zh: "暂时无法取得该应用的配置，请原样重试"}},
	"internal":               {http.StatusInternalServerError, Text{En: "Something unforeseen happened; see the log", Zh: "发生未预料的错误，请查看日志"}},

	"notification_refused":   {http.StatusBadRequest, Text{En: "This is no notification of Alipay's", Zh: "这不是支付宝的通知"}},
	"notification_forged":    {http.StatusForbidden, Text{En: "The notification's signature does not verify", Zh: "通知验签失败"}},
	"notification_not_ours":  {http.StatusForbidden, Text{En: "The notification is for another application", Zh: "通知不属于本应用"}},
	"notification_method":    {http.StatusMethodNotAllowed, Text{En: "Notifications come by POST", Zh: "通知必须使用 POST"}},
	"notification_unread":    {http.StatusInternalServerError, Text{En: "The notification's body could not be read", Zh: "无法读取通知内容"}},
	"notification_unhandled": {http.StatusServiceUnavailable, Text{En: "Nobody handles this notification yet", Zh: "没有代码处理该通知"}},
	"notification_pending":   {http.StatusServiceUnavailable, Text{En: "The notification is not dealt with yet; it should come again", Zh: "通知尚未处理完成，请稍后重新投递"}},
}

// problemOf is the one place that maps errors to HTTP.
func problemOf(err error, zh bool) problem {
	if errors.Is(err, engine.ErrHookFailed) { // whatever the host's error is made of
		return notifyProblem(engine.ErrHookFailed, zh)
	}
	if errors.Is(err, notify.ErrNotOurs) {
		return notifyProblem(notify.ErrNotOurs, zh)
	}
	if p, ok := requestProblem(err, zh); ok {
		return p
	}
	if p, ok := approvalProblem(err, zh); ok {
		return p
	}
	if p, ok := refundProblem(err, zh); ok {
		return p
	}
	return notifyProblem(err, zh)
}

// requestProblem is about the request as it was written.
func requestProblem(err error, zh bool) (problem, bool) {
	var (
		tooLarge *http.MaxBytesError
		body     *bodyError
		fields   *ValidationError
	)
	switch {
	case errors.As(err, &tooLarge):
		return tooLargeProblem(zh), true
	case errors.Is(err, errMediaType):
		return newProblem("unsupported_media_type", zh), true
	case errors.As(err, &body):
		p := newProblem(body.code, zh)
		p.Detail = body.detail.In(zh)
		if body.pointer != "" {
			p.Errors = []problemField{{body.pointer, body.code, p.Detail}}
		}
		return p, true
	case errors.As(err, &fields):
		p := newProblem("invalid_fields", zh)
		for _, f := range fields.Fields {
			p.Errors = append(p.Errors, problemField{f.Pointer, f.Rule, f.Detail.In(zh)})
		}
		p.Detail = p.Errors[0].Detail
		return p, true
	}
	return problem{}, false
}

// approvalProblem is about a refund that wants, or wanted, a second person's approval.
func approvalProblem(err error, zh bool) (p problem, ok bool) {
	var (
		unapproved  *UnapprovedError
		notAwaiting *NotAwaitingError
	)
	switch {
	case errors.As(err, &notAwaiting):
		p = newProblem("not_awaiting_approval", zh)
		p.view = viewOf(Result{Refund: notAwaiting.Refund, Repeated: true})
		p.Detail = becameText(notAwaiting.Refund).In(zh)
	case errors.As(err, &unapproved):
		p = newProblem("approval_expired", zh)
		if unapproved.Refund.Declined() {
			p = newProblem("declined", zh)
		}
		p.view = viewOf(Result{Refund: unapproved.Refund})
		p.Detail = becameText(unapproved.Refund).In(zh)
	case errors.Is(err, ErrNoActor):
		p = newProblem("actor_missing", zh)
	case errors.Is(err, ErrSelfApproval):
		p = newProblem("may_not_approve", zh)
		p.Detail = Text{En: "you asked for this refund yourself; another person approves it", Zh: "该退款由您本人申请，须由他人审批"}.In(zh)
	case errors.Is(err, errNotGranted):
		p = newProblem("may_not_approve", zh)
	default:
		return problem{}, false
	}
	return p, true
}

// refundProblem is about what became of a refund.
func refundProblem(err error, zh bool) (p problem, ok bool) {
	var (
		conflict *ConflictError
		limit    *LimitError
		refused  *RefusedError
		veto     *VetoError
		reason   *ReasonError
		refusal  *gateway.Error
		is       = func(code string) { p = newProblem(code, zh) }
	)
	switch {
	case errors.As(err, &conflict):
		return conflictProblem(conflict, zh), true
	case errors.As(err, &veto) && errors.As(veto.Err, &reason):
		is("vetoed")
		if reason.After > 0 {
			is("too_many_refunds")
		}
		p.Detail, p.after = reason.Reason.In(zh), reason.After
	case errors.As(err, &veto):
		is("vetoed")
		p.Detail = veto.Err.Error()
	case errors.As(err, &limit):
		is("exceeds_order")
		p.Detail = Text{
			En: limit.Amount.String() + " is more than the " + limit.Left.String() + " left of the order's " + limit.Total.String(),
			Zh: "申请退款 " + limit.Amount.String() + " 元，订单总额 " + limit.Total.String() + " 元，剩余可退 " + limit.Left.String() + " 元",
		}.In(zh)
	case errors.As(err, &refused):
		is("alipay_refused")
		p.view = viewOf(Result{Refund: refused.Refund})
		p.AlipayCode, p.SubCode, p.SubMsg = refused.Refund.Code, refused.Refund.SubCode, refused.Refund.Message
		p.Detail = p.SubMsg
	case errors.Is(err, ErrUnknownApp):
		is("unknown_app")
		p.Detail = err.Error() // which says how one is named
	case errors.Is(err, ErrAppUnavailable):
		is("app_unavailable")
	case errors.Is(err, ErrNothingSent):
		is("nothing_sent")
	case errors.As(err, &refusal) && refusal.Signed:
		is("alipay_refused")
		p.AlipayCode, p.SubCode, p.SubMsg, p.TraceID = refusal.Code, refusal.SubCode, refusal.SubMsg, refusal.TraceID
		p.Detail = p.SubMsg
	case errors.Is(err, ErrStore):
		is("store_failed")
	case errors.Is(err, store.ErrNotFound):
		is("not_found")
	case errors.Is(err, ErrNotAudited):
		is("not_audited")
	default:
		return problem{}, false
	}
	return p, true
}

func conflictProblem(conflict *ConflictError, zh bool) problem {
	p, r := newProblem("number_conflict", zh), conflict.Refund
	p.view = viewOf(Result{Refund: r, Repeated: true})
	p.Detail = conflictText(r).In(zh)
	for _, name := range conflict.Differs {
		p.Errors = append(p.Errors, problemField{"/" + name, "differs", Text{
			En: name + " differs from the recorded refund",
			Zh: name + " 与已记录的退款不一致",
		}.In(zh)})
	}
	return p
}

// notifyProblem is about a notification; what is none of them is unforeseen.
func notifyProblem(err error, zh bool) problem {
	if errors.Is(err, engine.ErrUnhandled) {
		p := newProblem("notification_unhandled", zh)
		p.Detail = err.Error() // which says what to set
		return p
	}
	if errors.Is(err, notify.ErrTooLarge) {
		return tooLargeProblem(zh)
	}
	for sentinel, text := range unreadable {
		if errors.Is(err, sentinel) {
			p := newProblem("notification_refused", zh)
			// What package notify says repeats no value, and no key that is not a short name.
			p.Detail = strings.TrimPrefix(err.Error(), "notify: ")
			if zh {
				p.Detail = text + "（" + p.Detail + "）"
			}
			return p
		}
	}
	for _, c := range []struct {
		err  error
		code string
	}{
		{engine.ErrBusy, "notification_pending"},
		{engine.ErrUnsettled, "notification_pending"},
		{engine.ErrHookFailed, "notification_pending"},
		{notify.ErrMethod, "notification_method"},
		{notify.ErrUnread, "notification_unread"},
		{notify.ErrSignature, "notification_forged"},
		{notify.ErrHidden, "notification_forged"},
		{notify.ErrNotOurs, "notification_not_ours"},
	} {
		if errors.Is(err, c.err) {
			p := newProblem(c.code, zh)
			p.Detail = c.err.Error()
			return p
		}
	}
	return newProblem("internal", zh)
}

// unreadable are the bodies that are no notification, in Chinese.
var unreadable = map[error]string{
	notify.ErrMalformed:    "请求体不是支付宝所发的表单",
	notify.ErrDuplicateKey: "有字段重复出现",
	notify.ErrSignType:     "sign_type 不被接受，须为 RSA2",
	notify.ErrNoSignature:  "缺少签名 sign",
	notify.ErrCharset:      "字符集无法识别，或内容与之不符",
	notify.ErrNoID:         "不是通知，缺少 notify_id",
}

func tooLargeProblem(zh bool) problem {
	p := newProblem("too_large", zh)
	p.Detail = Text{
		En: fmt.Sprintf("no more than %d bytes are read", notify.MaxBody),
		Zh: fmt.Sprintf("最多读取 %d 字节", notify.MaxBody),
	}.In(zh)
	return p
}

// conflictText says what to do with a number that is taken. A caller who only
// wanted to repeat a refund must not be sent to a new number.
func conflictText(r store.Refund) Text {
	switch r.State {
	case store.AwaitingApproval:
		return Text{
			En: "the refund of " + r.Amount.String() + " under this number awaits approval; if it is wrong, have it declined and take a new number",
			Zh: "该请求号下的 " + r.Amount.String() + " 元退款正在等待审批；如内容有误，请先驳回，再使用新的请求号",
		}
	case store.Pending:
		return Text{
			En: "the refund of " + r.Amount.String() + " under this number is unresolved and may have happened; a new number could refund twice: repeat it with its own content, which GET /refunds/" + r.ID + " shows",
			Zh: "该请求号下的 " + r.Amount.String() + " 元退款结果未知，可能已经退款；换新请求号可能造成重复退款。请按原内容重试，原内容见 GET /refunds/" + r.ID,
		}
	case store.Succeeded:
		return Text{
			En: "this number has refunded " + r.Amount.String() + " already; a new number refunds once more",
			Zh: "该请求号已成功退款 " + r.Amount.String() + " 元；换新请求号会再退一笔",
		}
	}
	if r.Rechecks > 0 {
		return Text{
			En: "the refund of " + r.Amount.String() + " under this number failed, as far as Alipay knows; should a request of it arrive late, it may still happen: repeat it with its own content, or wait a day before you use a new number",
			Zh: "该请求号下的 " + r.Amount.String() + " 元退款已失败，支付宝目前没有该笔退款；但若此前的请求迟到，仍可能退款。请按原内容重试，或等待一天后再使用新的请求号",
		}
	}
	return Text{
		En: "the refund of " + r.Amount.String() + " under this number failed and nothing moved; other content wants a new number",
		Zh: "该请求号下的 " + r.Amount.String() + " 元退款已失败，资金未变动；内容不同请使用新的请求号",
	}
}

// errNotGranted: the guard does not let who asks approve refunds.
var errNotGranted = errors.New("alirefund: the guard grants no approval")

// becameText says what became of a refund that somebody wanted to decide about.
func becameText(r store.Refund) Text {
	switch {
	case r.Declined():
		return Text{En: "declined by " + r.DeclinedBy + ": " + r.Message, Zh: "已被 " + r.DeclinedBy + " 驳回：" + r.Message}
	case r.Expired():
		return Text{En: "nobody approved it in time; the same request asks anew", Zh: "逾期未审批；以原请求重试即重新申请"}
	case r.ApprovedBy != "":
		return Text{En: "approved by " + r.ApprovedBy, Zh: "已由 " + r.ApprovedBy + " 审批通过"}
	}
	return Text{En: "it is " + string(r.State), Zh: "其状态为 " + string(r.State)}
}

func newProblem(code string, zh bool) problem {
	known := problems[code]
	return problem{Status: known.status, Code: code, Title: known.title.In(zh)}
}

// retryAfter is what a caller is told to wait after a 202, a 429 or a 503.
func retryAfter(c *gin.Context, seconds int) { c.Header("Retry-After", strconv.Itoa(seconds)) }

// fail answers with a problem, and logs what the caller cannot mend.
func (m *Module) fail(c *gin.Context, result Result, err error) {
	p := problemOf(err, wantsChinese(c))
	if p.view != nil && result.Refund.ID != "" {
		p.Repeated, p.Delivered = result.Repeated, result.Delivered
	}
	if p.Status >= http.StatusInternalServerError {
		m.Logger().WarnContext(c.Request.Context(), "a request failed", "code", p.Code,
			"refund", result.Refund.ID, "out_request_no", result.Refund.OutRequestNo, "error", err)
	}
	writeProblem(c, p)
}

func writeProblem(c *gin.Context, p problem) {
	switch p.Status {
	case http.StatusServiceUnavailable:
		retryAfter(c, 5)
	case http.StatusTooManyRequests:
		retryAfter(c, int((p.after+time.Second-1)/time.Second))
	case http.StatusMethodNotAllowed:
		c.Header("Allow", http.MethodPost)
	}
	c.Header("Content-Type", "application/problem+json; charset=utf-8")
	c.AbortWithStatusJSON(p.Status, p)
}

var languages = language.NewMatcher([]language.Tag{language.English, language.Chinese})

func wantsChinese(c *gin.Context) bool {
	header := c.GetHeader("Accept-Language")
	if header == "" {
		return false
	}
	_, i := language.MatchStrings(languages, header)
	return i == 1
}
