package console

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/store"
)

// texts are the words of the pages, by name.
var texts = map[string]alirefund.Text{
	"title": {En: "Refunds", Zh: "退款"}, "refund": {En: "Refund", Zh: "退款"}, "days": {En: "By day", Zh: "按日统计"},
	"skip": {En: "Skip to the content", Zh: "跳到正文"}, "nav": {En: "Pages", Zh: "页面"},
	"readonly": {En: "read only", Zh: "只读"}, "actor": {En: "Signed in as", Zh: "操作人"}, "app": {En: "Application", Zh: "应用"}, "change": {En: "Show", Zh: "切换"},
	"zone": {En: "Times are of", Zh: "时间均为"}, "error": {En: "That did not work", Zh: "未能完成"}, "unknown": {En: "unknown", Zh: "未知"},
	"other": {En: "中文", Zh: "English"}, "back": {En: "Back", Zh: "返回"}, "home": {En: "To the refunds", Zh: "返回退款列表"},

	"show.": {En: "All", Zh: "全部"}, "show.awaiting": {En: "Awaiting approval", Zh: "待审批"}, "show.unresolved": {En: "Unresolved", Zh: "未决"}, "show.attention": {En: "Wants a person", Zh: "需人工关注"},
	"show.untold": {En: "Untold", Zh: "待投递"}, "show.succeeded": {En: "Succeeded", Zh: "成功"}, "show.failed": {En: "Failed", Zh: "失败"}, "shows": {En: "Which refunds", Zh: "退款范围"},
	"kind.": {En: "any kind", Zh: "全部类别"}, "kind.trade": {En: "trade", Zh: "交易"}, "kind.coupon": {En: "red packet", Zh: "红包"}, "kind.unfreeze": {En: "pre-authorisation", Zh: "预授权"},
	"state.pending": {En: "unresolved", Zh: "未决"}, "state.succeeded": {En: "succeeded", Zh: "成功"}, "state.failed": {En: "failed", Zh: "失败"},
	"state.awaiting_approval": {En: "awaiting approval", Zh: "待审批"}, "state.promised": {En: "to be sent", Zh: "待发送"}, "state.declined": {En: "declined", Zh: "已驳回"}, "state.expired": {En: "approval expired", Zh: "逾期未审批"},
	"state.not_sent": {En: "not sent", Zh: "未发送"}, "state.sending": {En: "being sent", Zh: "发送中"},

	"search": {En: "Search", Zh: "查询"}, "search.q": {En: "Order or number", Zh: "订单号或退款请求号"},
	"search.hint": {En: "out_trade_no, out_request_no, trade_no, auth_no or operation_id, in full", Zh: "完整的out_trade_no、out_request_no、trade_no、auth_no或operation_id"},
	"kind":        {En: "Kind", Zh: "类别"}, "from": {En: "From", Zh: "起"}, "until": {En: "Until", Zh: "止"}, "clear": {En: "Clear", Zh: "清除"},
	"order": {En: "Order", Zh: "订单号"}, "number": {En: "Number", Zh: "退款请求号"}, "amount": {En: "Amount", Zh: "金额"}, "state": {En: "State", Zh: "状态"}, "recorded": {En: "Recorded", Zh: "登记时间"},
	"newest": {En: "Newest first", Zh: "最新在前"}, "oldest": {En: "Oldest first", Zh: "最早在前"},
	"none": {En: "No refund is like that.", Zh: "没有符合条件的退款。"}, "more": {En: "More", Zh: "下一页"}, "begin": {En: "To the beginning", Zh: "回到第一页"}, "pager": {En: "Pages of the list", Zh: "翻页"},
	"export": {En: "Export as CSV", Zh: "导出CSV"}, "export.broken": {En: "THE EXPORT IS NOT COMPLETE: the store failed", Zh: "导出不完整：存储出错"},
	"left.awaiting": {En: "Awaiting approval", Zh: "待审批"}, "left.awaiting.hint": {En: "nothing is sent before", Zh: "审批通过前不会发送"},
	"left.unresolved": {En: "Unresolved", Zh: "未决"}, "left.oldest": {En: "the oldest for", Zh: "最久"}, "left.untold": {En: "Untold", Zh: "待投递"}, "left.due": {En: "Due now", Zh: "到期待办"},
	"left.unresolved.hint": {En: "nobody knows yet whether the money moved", Zh: "尚不知资金是否变动"}, "left.untold.hint": {En: "a hook or a subscriber has still to hear", Zh: "仍有钩子或订阅者未收到"}, "left.due.hint": {En: "taken up in the next round", Zh: "等待下一轮处理"}, "left": {En: "What is left to do", Zh: "待办"},
	"since": {En: "for", Zh: "已"},

	"timeline": {En: "History", Zh: "历史"}, "facts": {En: "What is known", Zh: "详情"}, "deliveries": {En: "Who has heard of it", Zh: "投递情况"}, "why": {En: "A person is wanted", Zh: "需人工关注"},
	"nobody": {En: "There is nothing to tell yet.", Zh: "暂无需要投递的事件。"}, "tries": {En: "Tries", Zh: "次数"}, "lasterror": {En: "Last error", Zh: "最近错误"},
	"told": {En: "told", Zh: "已投递"}, "untold": {En: "untold", Zh: "待投递"}, "untrue": {En: "not true any more", Zh: "已失效"}, "who.host": {En: "the host's own function", Zh: "宿主自己的函数"},
	"event.refund_succeeded": {En: "refund succeeded", Zh: "退款成功"}, "event.refund_failed": {En: "refund failed", Zh: "退款失败"}, "event.refund_unresolved": {En: "a person is wanted", Zh: "需人工关注"},
	"fact.id": {En: "ID", Zh: "编号"}, "fact.kind": {En: "Kind", Zh: "类别"}, "fact.method": {En: "Interface", Zh: "接口"}, "fact.app": {En: "Application", Zh: "应用"}, "fact.merchant": {En: "Merchant", Zh: "商户"}, "fact.actor": {En: "Asked for by", Zh: "申请人"},
	"fact.approval_until": {En: "Approval until", Zh: "审批截止"}, "fact.approved_by": {En: "Approved by", Zh: "审批人"}, "fact.declined_by": {En: "Declined by", Zh: "驳回人"},
	"fact.origin": {En: "Known by", Zh: "来源"}, "fact.source": {En: "Proved by", Zh: "依据"}, "fact.code": {En: "Alipay's code", Zh: "支付宝返回码"}, "fact.message": {En: "Last message", Zh: "最近信息"},
	"fact.created": {En: "Recorded", Zh: "登记"}, "fact.sent": {En: "Last sent", Zh: "最近发送"}, "fact.settled": {En: "Settled", Zh: "定论"}, "fact.next": {En: "Next step", Zh: "下次处理"},
	"origin.request": {En: "a request of this application", Zh: "本应用的请求"}, "origin.notice": {En: "a notification of Alipay's", Zh: "支付宝的通知"}, "origin.bill": {En: "Alipay's daily bill", Zh: "支付宝日账单"},
	"source.answer": {En: "Alipay's answer", Zh: "支付宝的应答"}, "source.query": {En: "a question to Alipay", Zh: "向支付宝查询"}, "source.notice": {En: "a notification of Alipay's", Zh: "支付宝的通知"}, "source.person": {En: "a person", Zh: "人工"},

	"actions":    {En: "Actions", Zh: "操作"},
	"approve.do": {En: "Approve", Zh: "批准"}, "approve.question": {En: "Approve this refund?", Zh: "批准这笔退款？"},
	"approve.hint": {En: "It is sent to Alipay at once, and the money goes back. Nobody can take that back.", Zh: "批准后立即发送给支付宝，款项随即退回，无法撤回。"},
	"done.approve": {En: "It is approved. The history says what became of it.", Zh: "已批准，结果见历史。"}, "approve.wrong": {En: "The actor's name is missing.", Zh: "缺少操作人。"},
	"decline.do": {En: "Decline", Zh: "驳回"}, "decline.question": {En: "Decline this refund?", Zh: "驳回这笔退款？"},
	"decline.hint": {En: "Nothing is sent, the application is told that the refund failed, and its number cannot be used again.", Zh: "不会发送；应用将得知退款失败，该退款请求号不能再用。"},
	"done.decline": {En: "It is declined.", Zh: "已驳回。"}, "decline.wrong": {En: "Write a reason.", Zh: "请填写原因。"},
	"ask.do": {En: "Ask Alipay now", Zh: "立即查询支付宝"}, "ask.question": {En: "Ask Alipay about this refund now?", Zh: "现在就向支付宝查询这笔退款？"},
	"ask.hint": {En: "A question moves no money. If the answer proves something, the refund is settled and whoever waits for it is told.", Zh: "查询不会变动资金。如果应答能够证明结果，退款即有定论，并投递给等待的各方。"},
	"done.ask": {En: "Alipay was asked. The history says what it answered.", Zh: "已向支付宝查询，结果见历史。"}, "ask.wrong": {En: "The actor's name is missing.", Zh: "缺少操作人。"},
	"resolve.do": {En: "Decide", Zh: "人工裁定"}, "resolve.question": {En: "What became of this refund?", Zh: "这笔退款的结果是什么？"},
	"resolve.hint": {En: "Look into Alipay's merchant console first. What you decide is told to the application as if Alipay had said so, and frees or keeps the order's amount. A later signed word of Alipay's still corrects it.", Zh: "请先在支付宝商家平台核实。裁定会像支付宝的结论一样投递给应用，并释放或占用订单金额；支付宝之后的签名结论仍会更正它。"},
	"done.resolve": {En: "The decision is recorded.", Zh: "裁定已登记。"}, "resolve.wrong": {En: "Choose an outcome and write a reason.", Zh: "请选择结果并填写原因。"},
	"outcome": {En: "Outcome", Zh: "结果"}, "outcome.succeeded": {En: "It succeeded: the money went back", Zh: "已成功：款项已退回"}, "outcome.failed": {En: "It failed: nothing moved", Zh: "已失败：资金未变动"},
	"reason": {En: "Reason, for the history", Zh: "原因（记入历史）"}, "reason.hint": {En: "How you know it, such as what Alipay's console shows.", Zh: "依据，例如支付宝商家平台显示的内容。"},
	"deliver.do": {En: "Deliver again", Zh: "重新投递"}, "deliver.question": {En: "Tell “{event}” once more to {who}?", Zh: "向{who}再次投递“{event}”？"},
	"deliver.hint": {En: "Whoever hears it twice must know it by the refund's ID. No money moves.", Zh: "重复收到的一方应按退款编号去重。不会变动资金。"},
	"done.deliver": {En: "It was delivered again; below stands who has heard of it.", Zh: "已重新投递，结果见下方投递情况。"}, "deliver.wrong": {En: "The actor's name is missing.", Zh: "缺少操作人。"},
	"signs": {En: "In the history it will stand as done by", Zh: "将记入历史，操作人："},

	"days.range": {En: "days", Zh: "天"}, "days.refunds": {En: "Refunds recorded each day", Zh: "每日登记的退款"}, "days.speed": {En: "How long it took to settle them", Zh: "从登记到定论的用时"},
	"days.most": {En: "tallest", Zh: "最高"}, "days.left": {En: "Still counting; the page loads itself again. Days to go:", Zh: "仍在统计，页面会自动刷新。剩余天数："}, "longer": {En: "longer", Zh: "更久"},
	"day": {En: "Day", Zh: "日期"}, "days.all": {En: "Refunds", Zh: "笔数"}, "days.amount": {En: "Went back", Zh: "退回金额"}, "days.typical": {En: "Half settled", Zh: "半数用时"}, "days.table": {En: "The same in numbers", Zh: "数据表"},

	"replay": {En: "Deliver again", Zh: "批量重新投递"}, "replay.link": {En: "Deliver these again", Zh: "重新投递这些退款"},
	"replay.would":   {En: "This would tell once more what became of each of these refunds. Nothing has been done yet.", Zh: "将再次投递下列每笔退款的结果。目前尚未执行任何操作。"},
	"replay.to":      {En: "To whom", Zh: "投递给"},
	"replay.do":      {En: "Deliver these now", Zh: "立即投递"},
	"replay.count":   {En: "Refunds", Zh: "退款笔数"},
	"replay.none":    {En: "Nothing here is settled and to be told to them.", Zh: "没有可向其投递的已定论退款。"},
	"replay.told":    {En: "Told", Zh: "已投递"},
	"replay.failed":  {En: "Not told; it stays due and is tried again", Zh: "未投递成功，仍待投递并会自动重试"},
	"replay.left":    {En: "Not begun for want of time", Zh: "因时间所限未开始"},
	"replay.more":    {En: "Show the next ones", Zh: "查看下一批"},
	"replay.limited": {En: "At most a hundred at once.", Zh: "每次最多一百笔。"},

	"error.foreign": {En: "The request came from another site, and was refused.", Zh: "请求来自其他网站，已拒绝。"}, "error.readonly": {En: "You may look at this, and not act. Ask whoever runs this application.", Zh: "您只有查看权限，如需操作请联系应用负责人。"},
	"error.app": {En: "There is no such application here.", Zh: "没有该应用。"}, "error.unknown": {En: "There is no such refund.", Zh: "没有该笔退款。"}, "error.page": {En: "There is no such page.", Zh: "没有该页面。"},
	"error.self": {En: "You asked for this refund yourself; another person approves it.", Zh: "该退款由您本人申请，须由他人审批。"}, "error.decided": {En: "Somebody was quicker, or the time is over: the refund awaits no approval any more.", Zh: "该退款已由他人处理或已逾期，不再等待审批。"},
	"error.settled": {En: "The refund is settled meanwhile, and nothing was done.", Zh: "该笔退款已有定论，未执行任何操作。"}, "error.untrue": {En: "This event is not true of the refund, so that nothing was told.", Zh: "该事件与退款当前状态不符，未投递。"},
	"error.store": {En: "The store did not answer. Try again in a moment.", Zh: "存储未应答，请稍后重试。"}, "error.unforeseen": {En: "Something unforeseen happened; the log says what.", Zh: "发生未预料的错误，请查看日志。"},
}

// stages say what each stage of a refund means.
var stages = map[store.Stage]alirefund.Text{
	store.StageAwaitingApproval:  {En: "It waits for another person's approval, and nothing is sent to Alipay before.", Zh: "等待他人审批，审批通过前不会发送给支付宝。"},
	store.StageRecorded:          {En: "It is recorded, and nothing was sent to Alipay yet.", Zh: "已登记，尚未发送给支付宝。"},
	store.StagePromised:          {En: "It is recorded, and is sent to Alipay as soon as that can be done.", Zh: "已登记，将尽快发送给支付宝。"},
	store.StageSending:           {En: "It is being sent; Alipay's answer is awaited.", Zh: "正在发送，等待支付宝应答。"},
	store.StageUnanswered:        {En: "Nobody knows yet whether the money moved: a request was not answered. Alipay is asked until it says.", Zh: "尚不知资金是否变动：有一次请求未得到应答，将持续向支付宝查询。"},
	store.StageSendingAgain:      {En: "It is being sent again; an earlier request was not answered.", Zh: "正在再次发送；此前有请求未得到应答。"},
	store.StageRefusedOnce:       {En: "Alipay refused it in words that may mean that it is done already. A question will tell.", Zh: "支付宝拒绝了，但也可能意味着已经退款，将通过查询确认。"},
	store.StageRefusedPerhaps:    {En: "Alipay refused the last request, but an earlier one may be why. A question will tell.", Zh: "支付宝拒绝了最近一次请求，但原因可能是更早的请求已生效，将通过查询确认。"},
	store.StageUnclear:           {En: "Alipay answered neither yes nor no. It is asked until it says.", Zh: "支付宝的应答既非成功也非失败，将持续查询。"},
	store.StageSucceeded:         {En: "The money went back: a signed word of Alipay's says so.", Zh: "款项已退回：有支付宝的签名为证。"},
	store.StageSucceededByPerson: {En: "It succeeded, says a person; Alipay has not said so yet.", Zh: "人工裁定为成功，支付宝尚未确认。"},
	store.StageFailedRetryable:   {En: "Alipay refused it, and nothing moved. The same number may be sent again.", Zh: "支付宝拒绝，资金未变动。可用同一退款请求号重试。"},
	store.StageFailed:            {En: "Alipay refused it for good, and nothing moved.", Zh: "支付宝最终拒绝，资金未变动。"},
	store.StageFailedByPerson:    {En: "It failed, says a person; Alipay has not said so.", Zh: "人工裁定为失败，支付宝尚未确认。"},
	store.StageNotSent:           {En: "Nothing was ever sent, so that nothing moved.", Zh: "从未发送，资金未变动。"},
	store.StageDeclined:          {En: "It was declined, and nothing was sent.", Zh: "已被驳回，未发送。"},
	store.StageExpired:           {En: "Nobody approved it in time, and nothing was sent. The same number may be asked for again.", Zh: "逾期未审批，未发送。可用同一退款请求号重新申请。"},
}

// entries say what each entry of a history means, by what happened and, where there is
// one, by what was found.
var entries = map[string]alirefund.Text{
	"created":          {En: "Recorded", Zh: "登记"},
	"created request":  {En: "Asked for, and recorded", Zh: "收到退款请求并登记"},
	"created notice":   {En: "Recorded, for a notification of Alipay's told of it", Zh: "由支付宝的通知得知并登记"},
	"reopened":         {En: "Asked for once more, under the same number", Zh: "以同一退款请求号再次请求"},
	"approved":         {En: "Approved", Zh: "审批通过"},
	"declined":         {En: "Declined", Zh: "驳回"},
	"expired":          {En: "Nobody approved it in time", Zh: "逾期未审批"},
	"send":             {En: "Sent to Alipay", Zh: "发送给支付宝"},
	"answer success":   {En: "Alipay answered: the money went back", Zh: "支付宝应答：款项已退回"},
	"answer refusal":   {En: "Alipay refused it; this request moved nothing", Zh: "支付宝拒绝：本次请求未变动资金"},
	"answer unknown":   {En: "No answer came, or none that proves anything", Zh: "未得到应答，或应答不能证明结果"},
	"answer not sent":  {En: "The request did not leave this machine", Zh: "请求未能发出"},
	"answer not found": {En: "Alipay knows of no such refund", Zh: "支付宝查无此退款"},
	"query success":    {En: "Asked Alipay: the money went back", Zh: "查询支付宝：款项已退回"},
	"query not found":  {En: "Asked Alipay: it knows of no such refund", Zh: "查询支付宝：查无此退款"},
	"query refusal":    {En: "Asked Alipay: it refused", Zh: "查询支付宝：被拒绝"},
	"query unknown":    {En: "Asked Alipay: the answer proves nothing", Zh: "查询支付宝：应答不能证明结果"},
	"query not sent":   {En: "The question did not leave this machine", Zh: "查询未能发出"},
	"notice success":   {En: "Alipay notified: the money went back", Zh: "支付宝通知：款项已退回"},
	"notice unknown":   {En: "Alipay notified of something about it", Zh: "支付宝通知了与其有关的信息"},
	"person success":   {En: "A person decided: it succeeded", Zh: "人工裁定：已成功"},
	"person refusal":   {En: "A person decided: it failed", Zh: "人工裁定：已失败"},
	"ask":              {En: "A person had Alipay asked", Zh: "人工发起查询"},
	"attention":        {En: "A person is wanted", Zh: "需人工关注"},
	"deposit_back":     {En: "What the bank did with the money", Zh: "银行处理结果"},
	"delivered":        {En: "Told", Zh: "已投递"},
	"undelivered":      {En: "Could not be told", Zh: "投递失败"},
	"redeliver":        {En: "To be told once more", Zh: "要求重新投递"},
	"subscribed":       {En: "A subscriber wants to hear of it", Zh: "新增订阅者"},
}

var tones = map[string]string{
	"answer success": "good", "query success": "good", "notice success": "good", "delivered": "good",
	"answer refusal": "bad", "attention": "bad", "undelivered": "bad",
	"declined": "bad", "expired": "bad", "approved": "person", "ask": "person", "person success": "person", "person refusal": "person", "redeliver": "person", "created request": "person", "reopened": "person",
}

// line says one entry of a history in plain words.
func (p *page) line(e store.Entry, r store.Refund) line {
	first, rest, _ := strings.Cut(e.Detail, "; ")
	name := e.What
	switch text, known := entries[e.What+" "+first]; {
	case known && text.En != "":
		name += " " + first
	default:
		rest = e.Detail
	}
	text := entries[name].In(p.Zh)
	if text == "" {
		text = clean(e.What)
	}
	if e.Number > 0 && (e.What == "send" || e.What == "answer") && r.Attempts > 1 {
		text += map[bool]string{true: "（第" + strconv.Itoa(e.Number) + "次）", false: " (no. " + strconv.Itoa(e.Number) + ")"}[p.Zh]
	}
	switch e.What {
	case "delivered", "undelivered", "redeliver", "subscribed":
		event, who := store.Event(e.Detail).Split()
		rest = cmp.Or(p.T("event."+string(event)), string(event)) + " → " + p.who(who)
	}
	if e.Actor != "" {
		text += map[bool]string{true: "，操作人：", false: ", by "}[p.Zh] + clean(e.Actor)
	}
	return line{At: e.At, Text: text, Detail: clean(rest), Tone: tones[name]}
}

// ago is a length of time in its two largest units.
func ago(d time.Duration, zh bool) string {
	units := []struct {
		length time.Duration
		en, zh string
	}{{24 * time.Hour, " d", "天"}, {time.Hour, " h", "小时"}, {time.Minute, " min", "分"}, {time.Second, " s", "秒"}}
	var parts []string
	for _, u := range units {
		n := d / u.length
		if n == 0 {
			if len(parts) > 0 {
				break
			}
			continue
		}
		d %= u.length
		parts = append(parts, strconv.Itoa(int(n))+map[bool]string{true: u.zh, false: u.en}[zh])
		if len(parts) == 2 {
			break
		}
	}
	switch {
	case len(parts) == 0:
		return map[bool]string{true: "不到1秒", false: "less than 1 s"}[zh]
	case zh:
		return strings.Join(parts, "")
	}
	return strings.Join(parts, " ")
}
