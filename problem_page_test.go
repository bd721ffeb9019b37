package alirefund_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// explained is what docs/problems.md says of a code, and what is answered with it.
type explained struct {
	code        string
	means, does words
	provoke     func(t *testing.T) shoptest.Reply // nil: only a mistake in this module could
}

// chapters are the page, in its order.
var chapters = []struct {
	title    words
	problems []explained
}{
	{words{En: "Requests", Zh: "请求"}, []explained{
		{
			"not_json",
			words{En: "The body is no JSON object, or there is more behind it: `detail` says at which byte and line, and what was wanted there.", Zh: "请求体不是一个 JSON 对象，或其后还有内容：`detail` 说明在第几字节、第几行，以及此处应为何物。"},
			words{En: "Send one JSON object.", Zh: "请发送一个 JSON 对象。"},
			func(t *testing.T) shoptest.Reply { return shoptest.NewShop(t).Refund(`[]`) },
		},
		{
			"unknown_field",
			words{En: "A field is not one of the route's. It is refused and not left out, because a misspelt amount or number would change the refund.", Zh: "请求体含有该接口没有的字段。拒绝而不是忽略它，因为写错的金额或请求号会改变退款。"},
			words{En: "Correct the name: `errors` says which, `detail` which are known.", Zh: "请更正字段名：`errors` 指出是哪个，`detail` 列出可用的字段。"},
			func(t *testing.T) shoptest.Reply { return shoptest.NewShop(t).Refund(`{"refund_amnt":1}`) },
		},
		{
			"repeated_field",
			words{En: "A field is there twice, also by its two names; programs differ on which of them counts.", Zh: "同一字段出现两次（两种名称也算），各种程序对取哪个值并不一致。"},
			words{En: "Send it once.", Zh: "只传一次。"},
			func(t *testing.T) shoptest.Reply {
				return shoptest.NewShop(t).Refund(`{"refund_amount":1,"refundAmount":1}`)
			},
		},
		{
			"unsupported_media_type",
			words{En: "Another type than JSON could be posted by a form on somebody else's page.", Zh: "其他类型的内容可能由他人网页上的表单提交，因此不接受。"},
			words{En: "Send `Content-Type: application/json`.", Zh: "请使用 `Content-Type: application/json`。"},
			func(t *testing.T) shoptest.Reply {
				return shoptest.NewShop(t).Do(http.MethodPost, "/alipay/refunds", `{}`, "Content-Type", "text/plain")
			},
		},
		{
			"too_large",
			words{En: "The body has more than 64 KiB. Of a notification, too.", Zh: "请求体超过 64 KiB，通知也适用。"},
			words{En: "Send less: a list of goods, for example, has at most 100 entries.", Zh: "请减少内容，例如商品列表最多 100 项。"},
			func(t *testing.T) shoptest.Reply {
				return shoptest.NewShop(t).Refund(`"` + strings.Repeat("x", alirefund.MaxBody) + `"`)
			},
		},
		{
			"invalid_fields",
			words{En: "Fields of the body, or parameters of the query, are wrong. Nothing was recorded, and nothing sent.", Zh: "请求体的字段或查询参数有误。没有登记，也没有发送。"},
			words{En: "Correct them: `errors` names each by `pointer`, with the broken rule as its `code` and what would be right as its `detail`. Of an amount: `required`, `amount` (it is none), `precision`, `range`.", Zh: "请更正：`errors` 用 `pointer` 指出每个字段，`code` 为违反的规则，`detail` 说明应当如何。金额的规则为 `required`（缺少）、`amount`（不是金额）、`precision`（小数过多）、`range`（超出范围）。"},
			func(t *testing.T) shoptest.Reply { return shoptest.NewShop(t).Refund(`{}`) },
		},
		{
			"vetoed",
			words{En: "The application's own `Config.BeforeRefund` refused. Nothing was recorded, and nothing sent.", Zh: "应用自己的 `Config.BeforeRefund` 拒绝了该退款。没有登记，也没有发送。"},
			words{En: "`detail` is the application's reason.", Zh: "`detail` 为应用给出的原因。"},
			func(t *testing.T) shoptest.Reply {
				s := shoptest.NewShop(t, func(c *alirefund.Config) {
					c.BeforeRefund = func(context.Context, store.Refund) error { return errors.New("not on Sundays") }
				})
				return s.Refund(shoptest.Partly)
			},
		},
		{
			"too_many_refunds",
			words{En: "The application's own `Config.BeforeRefund` takes no more refunds for now, such as that of `contrib/limit`. Nothing was recorded, and nothing sent.", Zh: "应用自己的 `Config.BeforeRefund`（例如 `contrib/limit`）暂时不再受理退款。没有登记，也没有发送。"},
			words{En: "Repeat the same request after `Retry-After`.", Zh: "请在 `Retry-After` 之后原样重试。"},
			func(t *testing.T) shoptest.Reply {
				s := shoptest.NewShop(t, func(c *alirefund.Config) {
					c.BeforeRefund = func(context.Context, store.Refund) error {
						return &alirefund.ReasonError{Reason: alirefund.Text{En: "too many", Zh: "过于频繁"}, After: time.Minute}
					}
				})
				return s.Refund(shoptest.Partly)
			},
		},
		{
			"exceeds_order",
			words{En: "`Config.OrderTotal` says that the order has not so much left. Unresolved refunds count, for they may have happened. Nothing was recorded, and nothing sent.", Zh: "按 `Config.OrderTotal`，订单剩余可退金额不足。未决的退款也占用额度，因为可能已经退款。没有登记，也没有发送。"},
			words{En: "Refund less, or wait until what is unresolved is settled.", Zh: "请减少退款金额，或等未决的退款有了结果。"},
			func(t *testing.T) shoptest.Reply {
				return shoptest.NewShop(t, shoptest.Total(1_00)).Refund(shoptest.Partly)
			},
		},
	}},
	{words{En: "Approval", Zh: "审批"}, []explained{
		{
			"actor_missing",
			words{En: "The refund wants a second person's approval ([approval.md](approval.md)), and the guard has not named who asks, or who decides. Nothing was recorded, and nothing sent.", Zh: "该退款需要他人审批（见[approval.zh-CN.md](approval.zh-CN.md)），但鉴权没有给出操作人。没有登记，也没有发送。"},
			words{En: "The guard is to call `alirefund.SetActor`.", Zh: "请在鉴权中调用 `alirefund.SetActor`。"},
			func(t *testing.T) shoptest.Reply {
				return fourEyes(t).Do(http.MethodPost, "/alipay/refunds", shoptest.Partly, "Actor", "")
			},
		},
		{
			"may_not_approve",
			words{En: "The guard does not let you approve and decline, or you asked for the refund yourself.", Zh: "鉴权没有授予审批权限，或该退款由你本人申请。"},
			words{En: "Another person is to decide; the guard says who may by `alirefund.GrantApproval`.", Zh: "请由他人审批；谁有权限由鉴权调用 `alirefund.GrantApproval` 给出。"},
			func(t *testing.T) shoptest.Reply {
				s := fourEyes(t)
				return decide(s, "approve", s.Refund(shoptest.Partly).Str("id"), "staff")
			},
		},
		{
			"not_awaiting_approval",
			words{En: "The refund needs no approval, or somebody was quicker, or the time is over; the answer shows what has become of it.", Zh: "该退款不需要审批，或已由他人处理，或已逾期；应答中有其当前状态。"},
			words{En: "Nothing, or ask for the refund anew.", Zh: "无需处理，或重新申请。"},
			func(t *testing.T) shoptest.Reply {
				s := fourEyes(t)
				id := s.Refund(shoptest.Partly).Str("id")
				decide(s, "decline", id, "boss")
				return decide(s, "approve", id, "boss")
			},
		},
		{
			"declined",
			words{En: "A person declined the refund; `detail` says who, and why. Nothing was sent.", Zh: "退款申请被驳回，驳回人和原因见 `detail`。没有发送。"},
			words{En: "The number stays declined. To ask once more take a new one; with `asked_again` only after a day, because an earlier send may be late.", Zh: "该请求号不能再用。如需重新申请，可以换新请求号；有 `asked_again` 时须等一天，因为此前的请求可能迟到。"},
			func(t *testing.T) shoptest.Reply {
				s := fourEyes(t)
				decide(s, "decline", s.Refund(shoptest.Partly).Str("id"), "boss")
				return s.Refund(shoptest.Partly)
			},
		},
		{
			"approval_expired",
			words{En: "Nobody approved the refund in time (`Times.Approval`). Nothing was sent.", Zh: "退款申请在 `Times.Approval` 内无人审批。没有发送。"},
			words{En: "Repeat the same request: it asks anew.", Zh: "请原样重试，即重新申请。"},
			func(t *testing.T) shoptest.Reply {
				s := fourEyes(t)
				s.Refund(shoptest.Partly)
				time.Sleep(1000 * time.Hour)
				return s.Refund(shoptest.Partly)
			},
		},
	}},
	{words{En: "Applications", Zh: "应用"}, []explained{
		{
			"unknown_app",
			words{En: "The route, or the guard, names an application that `Config.Apps` does not know, or none where one is wanted, or two different ones.", Zh: "路由或鉴权给出的应用是 `Config.Apps` 不认识的，或需要指明应用而没有指明，或两者不一致。"},
			words{En: "Name an application that is served here: [applications.md](applications.md).", Zh: "请指明本服务支持的应用：见[applications.zh-CN.md](applications.zh-CN.md)。"},
			func(t *testing.T) shoptest.Reply { return ofApplication(t, alirefund.ErrUnknownApp) },
		},
		{
			"app_unavailable",
			words{En: "`Config.Apps` failed, and the application was never had before. Nothing was recorded, and nothing sent.", Zh: "`Config.Apps` 出错，且此前从未取得过该应用。没有登记，也没有发送。"},
			words{En: "Repeat the same request; the log says what failed.", Zh: "请原样重试；原因见日志。"},
			func(t *testing.T) shoptest.Reply { return ofApplication(t, shoptest.ErrHost) },
		},
	}},
	{words{En: "Refunds", Zh: "退款"}, []explained{
		{
			"number_conflict",
			words{En: "The number belongs to a refund of other content, which the answer shows; `errors` names what differs. This request sent nothing.", Zh: "该退款请求号属于另一笔内容不同的退款，应答中有其内容，`errors` 指出不同之处。本次请求没有发送。"},
			words{En: "To repeat a refund, send its own content. Only for another refund take a new number, and never while this one is unresolved: `detail` says where a new number is safe.", Zh: "若要重试，请用原来的内容。只有另一笔退款才能换新请求号；未决时切勿换号。`detail` 说明何时可以换号。"},
			func(t *testing.T) shoptest.Reply {
				s := shoptest.NewShop(t)
				s.Trade()
				s.Refund(shoptest.Partly)
				return s.Refund(shoptest.Numbered("R1", "1.00"))
			},
		},
		{
			"alipay_refused",
			words{En: "Alipay refused it, definitely, and nothing moved; `alipay_code`, `sub_code` and `sub_msg` say why.", Zh: "支付宝明确拒绝，资金未变动；原因见 `alipay_code`、`sub_code` 和 `sub_msg`。"},
			words{En: "With `retryable`, mend the cause and repeat the same request. Without it the number stays refused and a new one is safe, with `asked_again` only after a day: a send of it may still be late.", Zh: "有 `retryable` 时，排除原因后原样重试；没有时该请求号不能再用，可以换新号；有 `asked_again` 时须等一天，因为此前的请求可能迟到。"},
			func(t *testing.T) shoptest.Reply {
				s := shoptest.NewShop(t)
				s.Trade()
				s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
				return s.Refund(shoptest.Partly)
			},
		},
		{
			"nothing_sent",
			words{En: "This request sent nothing to Alipay: no connection, no store, a hook of the application's that failed, or other refunds of the order just before.", Zh: "本次请求未向支付宝发送任何内容：无法连接、存储不可用、应用的钩子出错，或刚刚发送过同一订单的其他退款。"},
			words{En: "Repeat the same request, under the same number.", Zh: "请以同一请求号原样重试。"},
			func(t *testing.T) shoptest.Reply {
				s := shoptest.NewShop(t)
				s.Alipay.Refuse(true)
				return s.Refund(shoptest.Partly)
			},
		},
		{
			"store_failed",
			words{En: "The store failed. Of a refund nobody knows whether it is recorded; if it is, it will be made.", Zh: "存储出错。不确定退款是否已登记；若已登记，就会执行。"},
			words{En: "Repeat the same request, under the same number. Never take a new one.", Zh: "请以同一请求号原样重试，切勿换新请求号。"},
			func(t *testing.T) shoptest.Reply {
				s := shoptest.NewShop(t)
				s.Around((&shoptest.Outage{Only: "Open", At: 1, Lasts: time.Hour, After: true}).Around)
				return s.Refund(shoptest.Partly)
			},
		},
		{
			"not_found",
			words{En: "No refund of this application has the id.", Zh: "本应用没有该编号的退款。"},
			words{En: "Take the `id` of an earlier answer, or look for the refund by `GET /refunds?out_trade_no=…`.", Zh: "请使用此前应答中的 `id`，或通过 `GET /refunds?out_trade_no=…` 查找。"},
			func(t *testing.T) shoptest.Reply { return shoptest.NewShop(t).Get("rf_x") },
		},
		{
			"not_audited",
			words{En: "No audit of the day was made, or what it found is forgotten.", Zh: "该日没有对过账，或结果已被清理。"},
			words{En: "`GET /audits` lists the days; `Module.Audit` audits one more.", Zh: "`GET /audits` 列出已对账的日期；`Module.Audit` 可补对某一天。"},
			func(t *testing.T) shoptest.Reply {
				return shoptest.NewShop(t).Do(http.MethodGet, "/alipay/audits/2026-10-03", "")
			},
		},
	}},
	{words{En: "Notifications", Zh: "通知"}, []explained{
		{
			"notification_refused",
			words{En: "The body is no notification: no form, a field twice, no `notify_id`, no signature, another `sign_type` than RSA2, or an unknown charset.", Zh: "内容不是支付宝的通知：不是表单、字段重复、缺少 `notify_id` 或签名、`sign_type` 不是 RSA2，或字符集无法识别。"},
			words{En: "If Alipay sent it, see whether the notify_url has a query, and the key type of the application in Alipay's console (RSA2). [errors/](errors/README.md) has the causes.", Zh: "若确由支付宝发送，请检查 notify_url 是否带有参数，以及应用在支付宝控制台的签名方式（须为 RSA2）。原因一览见[errors/](errors/README.md)。"},
			func(t *testing.T) shoptest.Reply { return shoptest.NewShop(t).Notice("hello=world") },
		},
		{
			"notification_forged",
			words{En: "The signature does not verify: somebody else wrote it, something on its way changed it, or the key is not Alipay's.", Zh: "验签失败：由他人伪造、途中被改动，或所配公钥不是支付宝公钥。"},
			words{En: "The log names the cause; `alirefund explain` finds it in captured bytes.", Zh: "日志中有原因；`alirefund explain` 可从抓取的原始内容中找出原因。"},
			func(t *testing.T) shoptest.Reply {
				return shoptest.NewShop(t).Notice("notify_id=1&sign=AAAA&sign_type=RSA2")
			},
		},
		{
			"notification_not_ours",
			words{En: "It is genuine, and for another application, or of another seller.", Zh: "通知真实，但属于另一个应用或另一个卖家。"},
			words{En: "Give each application a notify_url of its own, or name its sellers in `App.SellerIDs`.", Zh: "请让每个应用使用自己的 notify_url，或在 `App.SellerIDs` 中列出卖家。"},
			func(t *testing.T) shoptest.Reply {
				s := shoptest.NewShop(t)
				return s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"app_id": "2021000000000002"})))
			},
		},
		{
			"notification_method",
			words{En: "It came by another method than POST, which only happens on a route of the host's own behind `Notifications`.", Zh: "请求方法不是 POST，仅可能出现在应用自己挂载 `Notifications` 的路由上。"},
			words{En: "Mount the route by POST alone; a buyer's return_url is another route.", Zh: "该路由只接受 POST；买家跳转的 return_url 应为另一个路由。"},
			func(t *testing.T) shoptest.Reply {
				s := shoptest.NewShop(t)
				s.Router.Any("/pay/notify", s.Module.Notifications())
				return s.Do(http.MethodGet, "/pay/notify", "")
			},
		},
		{
			"notification_unread",
			words{En: "The body ended too early, took longer than ten seconds, or a handler before this one has read it.", Zh: "通知内容提前中断、超过十秒仍未收完，或已被前面的处理函数读走。"},
			words{En: "Let nothing read the body before, or use Gin's `ShouldBindBodyWith`. Alipay sends it again.", Zh: "不要在之前读取请求体，或使用 Gin 的 `ShouldBindBodyWith`。支付宝会重新推送。"},
			func(t *testing.T) shoptest.Reply {
				return posted(t, shoptest.NewShop(t), iotest.ErrReader(errors.New("the connection broke")))
			},
		},
		{
			"notification_unhandled",
			words{En: "It is genuine and no refund, such as a payment, and nobody takes it.", Zh: "通知真实，但不是退款（例如付款通知），且没有代码处理它。"},
			words{En: "Set `Config.OnNotification`, or mount `Notifications` before the handler that takes it; `detail` says which. Alipay sends it again meanwhile.", Zh: "请设置 `Config.OnNotification`，或在处理它的路由前挂载 `Notifications`，详见 `detail`。其间支付宝会重新推送。"},
			func(t *testing.T) shoptest.Reply {
				s := shoptest.NewShop(t, func(c *alirefund.Config) { c.OnNotification = nil })
				return s.Notice(s.Payment())
			},
		},
		{
			"notification_pending",
			words{En: "It is genuine, and not dealt with: its refund is not settled or its hook failed, or another delivery of it is being handled just now.", Zh: "通知真实，但尚未处理完：退款尚无结果、钩子出错，或同一通知的另一次推送正在处理。"},
			words{En: "Nothing, if it stays rare: Alipay sends it again. Else the log says which hook fails.", Zh: "偶尔出现无需处理：支付宝会重新推送。若频繁出现，日志中有出错的钩子。"},
			func(t *testing.T) shoptest.Reply {
				s := shoptest.NewShop(t, func(c *alirefund.Config) {
					c.OnNotification = func(context.Context, *notify.Notification) error { return shoptest.ErrHost }
				})
				return s.Notice(s.Payment())
			},
		},
	}},
	{words{En: "Neither", Zh: "其他"}, []explained{{
		"internal",
		words{En: "Something happened that this module does not know, which is a mistake in it.", Zh: "发生了本模块未预料的情况，属于本模块的缺陷。"},
		words{En: "Repeat the same request, under the same number; report what the log says.", Zh: "请以同一请求号原样重试，并反馈日志内容。"},
		nil,
	}}},
}

// fourEyes is a shop in which every refund wants a second person's approval.
func fourEyes(t *testing.T) *shoptest.Shop {
	t.Helper()
	return shoptest.NewShop(t, func(c *alirefund.Config) { c.NeedsApproval = alirefund.Above(0) })
}

// decide approves or declines a refund.
func decide(s *shoptest.Shop, what, id, actor string) shoptest.Reply {
	s.T.Helper()
	return s.Do(http.MethodPost, "/alipay/refunds/"+id+"/"+what, `{"reason":"wrong order"}`, "Approves", "yes", "Actor", actor)
}

// ofApplication asks for a refund of an application about which Config.Apps fails.
func ofApplication(t *testing.T, err error) shoptest.Reply {
	t.Helper()
	s := shoptest.NewShop(t, func(c *alirefund.Config) {
		c.Apps = func(context.Context, string) (alirefund.App, error) { return alirefund.App{}, err }
	})
	s.Module.MountRefunds(s.Router.Group("/of/:app"), alirefund.AlreadyProtected)
	return s.Do(http.MethodPost, "/of/2021000000000009/refunds", shoptest.Partly)
}

func posted(t *testing.T, s *shoptest.Shop, body io.Reader) shoptest.Reply {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/alipay/notify", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return shoptest.Serve(t, s.Router, r)
}

// Every code is answered, with its status, by what the page says of it.
func TestEveryProblem(t *testing.T) {
	for _, chapter := range chapters {
		for _, p := range chapter.problems {
			t.Run(p.code, func(t *testing.T) {
				if p.provoke == nil {
					return
				}
				synctest.Test(t, func(t *testing.T) {
					if r := p.provoke(t); r.Str("code") != p.code || r.Status != alirefund.Problems()[p.code].Status || r.Body["status"] != float64(r.Status) {
						t.Errorf("answered %d %s", r.Status, r.Text)
					}
				})
			})
		}
	}
}

// The pages explain every code, and no other.
func TestProblemPages(t *testing.T) {
	known := alirefund.Problems()
	for _, chapter := range chapters {
		for _, p := range chapter.problems {
			if _, there := known[p.code]; !there {
				t.Errorf("there is no problem %s, or it is explained twice", p.code)
			}
			delete(known, p.code)
		}
	}
	for code := range known {
		t.Errorf("chapters do not explain the problem %s", code)
	}
	upToDate(t, "docs/problems.md", problemPage(false))
	upToDate(t, "docs/problems.zh-CN.md", problemPage(true))
}

func problemPage(zh bool) string {
	var b strings.Builder
	known := alirefund.Problems()
	b.WriteString(problemPageHead.In(zh))
	for _, chapter := range chapters {
		fmt.Fprintf(&b, "\n## %s\n", chapter.title.In(zh))
		for _, p := range chapter.problems {
			fmt.Fprintf(&b, "\n### %s\n\n**%d** %s", p.code, known[p.code].Status, known[p.code].Title.In(zh))
			fmt.Fprintf(&b, "\n\n%s\n\n→ %s\n", p.means.In(zh), p.does.In(zh))
		}
	}
	return b.String()
}

var problemPageHead = words{
	En: `<!-- Written by "go test . -run TestProblemPages -update" from problem_page_test.go and problem.go. Do not edit. -->

# Problems

[中文](problems.zh-CN.md)

What is neither a refund nor an acknowledgement is answered as an RFC 9457 problem
(` + "`application/problem+json`" + `). Its ` + "`code`" + ` is stable, for programs; ` + "`title`" + ` and ` + "`detail`" + ` are for
people, in Chinese or English by ` + "`Accept-Language`" + `, and may change.

A timeout after sending is no problem but a 202: the refund is unresolved. 503 has
` + "`Retry-After`" + `. What your guard answers is your own.
`,
	Zh: `<!-- 由“go test . -run TestProblemPages -update”根据 problem_page_test.go 和 problem.go 生成，请勿修改。 -->

# 错误代码

[English](problems.md)

既非退款结果、也非通知确认的应答，都是 RFC 9457 格式的错误
（` + "`application/problem+json`" + `）。` + "`code`" + ` 稳定不变，供程序判断；` + "`title` 和 `detail`" + ` 供人阅读，
按 ` + "`Accept-Language`" + ` 为中文或英文，可能调整。

发送之后的超时不是错误，而是 202：退款未决。503 带有 ` + "`Retry-After`" + `。鉴权的应答由你的应用决定。
`,
}
