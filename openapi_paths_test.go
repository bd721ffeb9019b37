package alirefund_test

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/store"
)

// The routes of the document: what each takes, answers, and refuses by which problem.
// internal/openapi holds them against what the routes do.

// prefer is the header by which a caller need not wait.
func (d *document) prefer() []any {
	return []any{object{
		{"name", "Prefer"},
		{"in", "header"},
		{"description", d.say(words{
			En: "respond-async: the answer comes as soon as the refund is recorded, and the application's hooks tell what becomes of it (RFC 7240)",
			Zh: "respond-async：登记后立即应答，结果由应用的钩子告知（RFC 7240）",
		})},
		{"schema", object{{"type", "string"}, {"examples", []string{"respond-async"}}}},
	}}
}

// operation is one route.
type operation struct {
	method, path, id string
	tag              string
	summary          words
	description      words
	parameters       func(*document) []any
	body             reflect.Type // what it takes, as JSON
	example          object
	answers          []answer
	problems         []string // their codes
	table            bool     // it is answered as CSV, too
}

// answer is one answer that is no problem.
type answer struct {
	status  int
	words   words
	of      reflect.Type // nil: the text success
	headers []header
}

// header is one of an answer. always tells whether it is there every time.
type header struct {
	name   string
	words  words
	schema object
	always bool
}

var (
	retryAfter  = header{"Retry-After", words{En: "Seconds after which to ask again", Zh: "建议多少秒后再次查询或重试"}, object{{"type", "integer"}}, true}
	mayRetry    = header{retryAfter.name, words{En: "Seconds after which to ask again, while the refund is unresolved", Zh: "退款未决时，建议多少秒后再次查询"}, retryAfter.schema, false}
	disposition = header{"Content-Disposition", words{En: "The name of the table's file", Zh: "表格的文件名"}, object{{"type", "string"}}, false}
	applied     = header{"Preference-Applied", words{En: "respond-async, where the refund is answered before it is sent", Zh: "在发送前即应答时为 respond-async"}, object{{"type", "string"}, {"const", "respond-async"}}, false}
	location    = header{"Location", words{En: "Where the refund can be looked up", Zh: "查询该笔退款的地址"}, object{{"type", "string"}}, true}
)

// refunded is what a route that refunds answers.
var refunded = []answer{
	{http.StatusOK, words{En: "The money moved, now or before", Zh: "资金已退，本次或此前"}, alirefund.RefundView, nil},
	{http.StatusAccepted, words{En: "Unresolved, or being sent just now: ask again, or repeat the same request. Never a new number. Or it awaits approval, as `state` says", Zh: "未决，或正在发送：请再次查询，或以同一请求号原样重试，切勿换新请求号。也可能正在等待审批，见 `state`"}, alirefund.RefundView, []header{location, retryAfter, applied}},
}

// refundProblems are those of the routes that refund.
var refundProblems = []string{
	"not_json", "unknown_field", "repeated_field", "vetoed", "actor_missing", "number_conflict", "too_large", "unsupported_media_type",
	"invalid_fields", "exceeds_order", "too_many_refunds", "declined", "approval_expired", "alipay_refused", "nothing_sent", "store_failed", "unknown_app", "app_unavailable",
}

var acknowledged = []answer{{http.StatusOK, words{En: "The notification is handled: these seven bytes, and Alipay does not send it again", Zh: "通知已处理：返回这七个字节，支付宝不再推送"}, nil, nil}}

var noticeProblems = []string{
	"notification_refused", "notification_forged", "notification_not_ours", "too_large", "notification_unread",
	"notification_unhandled", "notification_pending", "store_failed", "app_unavailable",
}

var operations = []operation{
	{
		method: "post", path: "/refunds", id: "refundTrade", tag: "refunds",
		summary: words{En: "Refund a trade", Zh: "交易退款"},
		body:    reflect.TypeFor[alirefund.RefundRequest](),
		example: object{{"out_trade_no", "6823789339978248"}, {"refund_amount", "8.88"}, {"out_request_no", "R1"}},
		answers: refunded, problems: refundProblems, parameters: (*document).prefer,
	},
	{
		method: "get", path: "/refunds", id: "listRefunds", tag: "refunds",
		summary:    words{En: "List refunds, the oldest first", Zh: "退款列表，由旧到新"},
		parameters: (*document).listParameters,
		answers:    []answer{{http.StatusOK, words{En: "A page", Zh: "一页"}, alirefund.PageView, nil}},
		problems:   []string{"invalid_fields", "store_failed", "unknown_app", "app_unavailable"},
	},
	{
		method: "get", path: "/refunds/{id}", id: "getRefund", tag: "refunds",
		summary:     words{En: "Look a refund up", Zh: "查询退款"},
		description: words{En: "Alipay is asked first if the refund is unresolved. 200 says nothing of success: read `state`.", Zh: "未决时会先向支付宝查询。200 不代表退款成功，请看 `state`。"},
		parameters:  (*document).id,
		answers:     []answer{{http.StatusOK, words{En: "Its record", Zh: "退款记录"}, alirefund.RecordView, []header{mayRetry}}},
		problems:    []string{"not_found", "store_failed", "unknown_app", "app_unavailable"},
	},
	{
		method: "post", path: "/refunds/{id}/approve", id: "approveRefund", tag: "refunds",
		summary:     words{En: "Approve a refund, which is then sent", Zh: "审批通过退款并发送"},
		description: words{En: "By another person than the one who asked for it, if the guard lets him. Answers as the refund's own request.", Zh: "须由申请人以外、且鉴权允许的人操作。应答与退款请求相同。"},
		parameters:  (*document).id,
		answers:     refunded,
		problems:    []string{"actor_missing", "may_not_approve", "not_found", "not_awaiting_approval", "alipay_refused", "nothing_sent", "store_failed", "unknown_app", "app_unavailable"},
	},
	{
		method: "post", path: "/refunds/{id}/decline", id: "declineRefund", tag: "refunds",
		summary:     words{En: "Decline a refund that awaits approval", Zh: "驳回待审批的退款"},
		description: words{En: "It has failed then, and nothing was sent. Its number stays declined.", Zh: "退款即告失败，未发送。该请求号不能再用。"},
		parameters:  (*document).id,
		body:        alirefund.DeclineRequest,
		example:     object{{"reason", "wrong order"}},
		answers:     []answer{{http.StatusOK, words{En: "It is declined", Zh: "已驳回"}, alirefund.RefundView, nil}},
		problems: []string{
			"not_json", "unknown_field", "repeated_field", "actor_missing", "may_not_approve", "not_found", "not_awaiting_approval",
			"too_large", "unsupported_media_type", "invalid_fields", "store_failed", "unknown_app", "app_unavailable",
		},
	},
	{
		method: "get", path: "/audits", id: "listAudits", tag: "audits",
		summary:  words{En: "The last 100 days that were held against Alipay's bill, the latest first", Zh: "最近与支付宝账单核对过的 100 天，由新到旧"},
		answers:  []answer{{http.StatusOK, words{En: "Each without its differences", Zh: "不含各笔差异"}, alirefund.AuditsView, nil}},
		problems: []string{"store_failed", "unknown_app", "app_unavailable"},
	},
	{
		method: "get", path: "/audits/{day}", id: "getAudit", tag: "audits",
		summary: words{En: "What the last audit of a day found", Zh: "某日最近一次对账的结果"},
		parameters: func(d *document) []any {
			return []any{
				object{{"name", "day"}, {"in", "path"}, {"required", true}, {"description", d.fieldWords("Audit", "day")}, {"schema", object{{"type", "string"}}}},
				object{{"name", "format"}, {"in", "query"}, {"description", d.say(words{En: "csv is a table for a spreadsheet", Zh: "csv 为电子表格可打开的表格"})}, {"schema", object{{"type", "string"}, {"enum", []string{"json", "csv"}}, {"default", "json"}}}},
			}
		},
		answers:  []answer{{http.StatusOK, words{En: "The audit", Zh: "对账结果"}, reflect.TypeFor[alirefund.Audit](), []header{disposition}}},
		table:    true,
		problems: []string{"invalid_fields", "not_audited", "store_failed", "unknown_app", "app_unavailable"},
	},
	{
		method: "post", path: "/coupon-refunds", id: "refundRedPacket", tag: "refunds",
		summary: words{En: "Return a red packet", Zh: "红包退款"},
		body:    reflect.TypeFor[alirefund.CouponRefundRequest](),
		example: object{{"auth_no", "2018081710002001860231318890"}, {"out_request_no", "C1"}, {"amount", "2.22"}, {"remark", "unclaimed"}},
		answers: refunded, problems: refundProblems, parameters: (*document).prefer,
	},
	{
		method: "post", path: "/unfreezes", id: "releasePreAuthorisation", tag: "refunds",
		summary: words{En: "Release a pre-authorisation", Zh: "预授权解冻"},
		body:    reflect.TypeFor[alirefund.UnfreezeRequest](),
		example: object{{"auth_no", "2014070800002001550000014417"}, {"out_request_no", "U1"}, {"amount", "100.00"}, {"remark", "checked out"}, {"out_order_no", "room-12"}},
		answers: refunded, problems: refundProblems, parameters: (*document).prefer,
	},
	{
		method: "post", path: "/notify", id: "notify", tag: "notifications",
		summary: words{En: "Take a notification", Zh: "接收通知"},
		answers: acknowledged, problems: noticeProblems,
	},
	{
		method: "post", path: "/gateway", id: "gateway", tag: "notifications",
		summary: words{En: "Take a message to the application's gateway", Zh: "接收应用网关消息"},
		answers: acknowledged, problems: noticeProblems,
	},
}

// writeDocument writes the whole document in a language.
func writeDocument(t *testing.T, zh bool) object {
	t.Helper()
	d := &document{t: t, zh: zh, said: map[string]bool{}}
	var paths object
	for _, o := range operations {
		written := member{o.method, d.operation(o)}
		if i := slices.IndexFunc(paths, func(m member) bool { return m.key == o.path }); i >= 0 {
			paths[i].value = append(paths[i].value.(object), written)
		} else {
			paths = append(paths, member{o.path, object{written}})
		}
	}
	d.schemaOf(alirefund.ProblemView)
	d.schemas = append(d.schemas, member{"Notification", d.notification()})
	var tags []any
	for _, name := range []string{"refunds", "audits", "notifications"} {
		tags = append(tags, object{{"name", name}, {"description", d.say(tagWords[name])}})
	}
	for name := range fieldWords {
		if !d.said[name] {
			t.Errorf("fieldWords has %s, which is in no schema", name)
		}
	}
	return object{
		{"openapi", "3.1.0"},
		{"info", object{
			{"title", "alirefund"},
			{"version", "0"},
			{"summary", d.say(words{En: "Refunds through Alipay", Zh: "支付宝退款"})},
			{"description", d.say(infoWords)},
			{"license", object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}},
		}},
		{"servers", []any{object{{"url", "."}, {"description", d.say(words{En: "Where this document is", Zh: "本文档所在位置"})}}}},
		{"tags", tags},
		{"paths", paths},
		{"components", object{
			{"parameters", object{{"AcceptLanguage", object{
				{"name", "Accept-Language"},
				{"in", "header"},
				{"description", d.say(words{En: "Texts are in Chinese or English", Zh: "文字为中文或英文"})},
				{"schema", object{{"type", "string"}, {"default", "en"}}},
			}}}},
			{"schemas", d.schemas},
		}},
	}
}

func (d *document) operation(o operation) object {
	parameters := []any{object{{"$ref", "#/components/parameters/AcceptLanguage"}}}
	if o.parameters != nil {
		parameters = append(parameters, o.parameters(d)...)
	}
	written := object{{"operationId", o.id}, {"tags", []string{o.tag}}, {"summary", d.say(o.summary)}}
	if o.description.En != "" {
		written = append(written, member{"description", d.say(o.description)})
	}
	written = append(written, member{"parameters", parameters})
	switch {
	case o.body != nil:
		written = append(written, member{"requestBody", object{{"required", true}, {"content", object{{"application/json", object{
			{"schema", object{refer(d.schemaOf(o.body))}}, {"example", o.example},
		}}}}}})
	case o.tag == "notifications":
		written = append(written, member{"requestBody", object{{"required", true}, {"content", object{{"application/x-www-form-urlencoded", object{
			{"schema", object{refer("Notification")}},
		}}}}}})
	}
	var responses object
	for _, a := range o.answers {
		response := object{{"description", d.say(a.words)}}
		if len(a.headers) > 0 {
			response = append(response, member{"headers", d.headers(a.headers)})
		}
		content := object{{"text/plain", object{{"schema", object{{"type", "string"}, {"const", "success"}}}}}}
		if a.of != nil {
			content = object{{"application/json", object{{"schema", object{refer(d.schemaOf(a.of))}}}}}
		}
		if o.table {
			content = append(content, member{"text/csv", object{{"schema", object{{"type", "string"}}}}})
		}
		responses = append(responses, member{strconv.Itoa(a.status), append(response, member{"content", content})})
	}
	return append(written, member{"responses", append(responses, d.problems(o.problems)...)})
}

// id is the parameter of the path that names a refund.
func (d *document) id() []any {
	return []any{object{{"name", "id"}, {"in", "path"}, {"required", true}, {"description", d.fieldWords("Refund", "id")}, {"schema", object{{"type", "string"}}}}}
}

func (d *document) headers(list []header) (headers object) {
	for _, h := range list {
		written := object{{"description", d.say(h.words)}}
		if h.always {
			written = append(written, member{"required", true})
		}
		headers = append(headers, member{h.name, append(written, member{"schema", h.schema})})
	}
	return headers
}

// problems are the answers of these codes, by their status.
func (d *document) problems(codes []string) (responses object) {
	known := alirefund.Problems()
	byStatus := map[int][]string{}
	for _, code := range codes {
		if known[code].Status == 0 {
			d.t.Fatalf("there is no problem %s", code)
		}
		byStatus[known[code].Status] = append(byStatus[known[code].Status], code)
	}
	for _, status := range slices.Sorted(maps.Keys(byStatus)) {
		var lines []string
		for _, code := range byStatus[status] {
			lines = append(lines, fmt.Sprintf("`%s`: %s", code, d.say(known[code].Title)))
		}
		response := object{{"description", strings.Join(lines, "\n\n")}}
		if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
			response = append(response, member{"headers", d.headers([]header{retryAfter})})
		}
		responses = append(responses, member{strconv.Itoa(status), append(response, member{"content", object{{"application/problem+json", object{{"schema", object{{"allOf", []any{
			object{refer("Problem")},
			object{{"properties", object{{"status", object{{"const", status}}}, {"code", object{{"enum", byStatus[status]}}}}}},
		}}}}}}}})})
	}
	return responses
}

func (d *document) notification() object {
	var properties object
	for _, name := range []string{"notify_id", "notify_type", "sign_type", "sign"} {
		properties = append(properties, member{name, object{{"type", "string"}, {"description", d.fieldWords("Notification", name)}}})
	}
	return object{
		{"type", "object"},
		{"description", d.say(schemaWords["Notification"])},
		{"properties", properties},
		{"required", []string{"notify_id", "sign_type", "sign"}},
		{"additionalProperties", object{{"type", "string"}}},
	}
}

// listSchemas are those of the parameters of GET /refunds that are no plain text.
var listSchemas = map[string]object{
	"kind":        {{"type", "string"}, {"enum", enums[reflect.TypeFor[store.Kind]()]}},
	"state":       {{"type", "string"}, {"enum", enums[reflect.TypeFor[store.State]()]}},
	"undelivered": {{"type", "boolean"}},
	"from":        {{"type", "string"}, {"format", "date-time"}},
	"until":       {{"type", "string"}, {"format", "date-time"}},
	"limit":       {{"type", "integer"}, {"minimum", 1}, {"maximum", alirefund.MaxPage}, {"default", alirefund.MaxPage}},
}

var listWords = map[string]words{
	"undelivered": {En: "Only those with an event that their hook has not taken", Zh: "仅列出事件尚未投递成功的"},
	"from":        {En: "Recorded at or after this time", Zh: "登记时间不早于"},
	"until":       {En: "Recorded before this time", Zh: "登记时间早于"},
	"limit":       {En: "The most of one page", Zh: "每页最多条数"},
	"cursor":      {En: "The next of an earlier page", Zh: "上一页返回的 next"},
}

func (d *document) listParameters() (parameters []any) {
	for _, name := range alirefund.ListParams() {
		text, known := listWords[name]
		description := d.say(text)
		if !known {
			description = d.fieldWords("Refund", name)
		}
		schema := listSchemas[name]
		if schema == nil {
			schema = object{{"type", "string"}}
		}
		parameters = append(parameters, object{{"name", name}, {"in", "query"}, {"description", description}, {"schema", schema}})
	}
	return parameters
}
