package alirefund_test

import "github.com/alirefund/alirefund"

// The words of the document, in both languages.

type words = alirefund.Text

var otherName = words{En: "Another name of ", Zh: "另一个字段名，等同于 "}

var infoWords = words{
	En: "Refunds through Alipay: of trades, of red packets, of pre-authorisations; and Alipay's notifications of them.\n\n" +
		"One refund, one callback: money moves at most once per request number. A refund succeeds, fails, or is *unresolved* (202): nobody knows yet, and the same request, under the same number, is to be repeated or its refund looked up. Never take a new number for it.\n\n" +
		"The application may want a second person's approval. Such a refund is answered by 202 with the state `awaiting_approval`, and nothing is sent before.\n\n" +
		"Amounts are yuan (CNY). An empty text says the same as none. Errors are RFC 9457 problems with a stable `code`; texts are English or Chinese by `Accept-Language`. Fields may be added to answers.\n\n" +
		"The application's own guard stands before the refund routes. What it answers, such as 401, is the application's and not in here.",
	Zh: "通过支付宝退款：交易退款、红包退款、预授权解冻，以及支付宝对它们的通知。\n\n" +
		"一笔退款，钩子只调用一次：同一退款请求号最多只动一次资金。退款的结果是成功、失败或*未决*（202）：尚无人知道结果，请以同一请求号原样重试或查询，切勿换新请求号。\n\n" +
		"应用可以要求退款先经他人审批。此时返回 202，状态为 `awaiting_approval`，审批通过前不会发送。\n\n" +
		"金额以元（人民币）为单位。空字符串等同于未传。错误是 RFC 9457 格式，`code` 稳定不变；文字按 `Accept-Language` 为中文或英文。应答今后可能增加字段。\n\n" +
		"退款接口前有应用自己的鉴权，它的应答（例如 401）由应用决定，不在本文档内。",
}

var tagWords = map[string]words{
	"refunds":       {En: "To refund, and to see what became of it", Zh: "退款与查询"},
	"audits":        {En: "The ledger beside Alipay's own book", Zh: "账本与支付宝账单的核对"},
	"notifications": {En: "What Alipay calls; its signature is the check", Zh: "由支付宝调用，以签名校验"},
}

var schemaWords = map[string]words{
	"RequestedAmount":     {En: "Yuan, 0.01 to 100000000.00, with at most two decimals: best as a text, \"8.88\"; a number, 8.88, without exponent works too", Zh: "以元为单位，0.01 至 100000000.00，最多两位小数：建议用字符串 \"8.88\"，也可用不带指数的数字 8.88"},
	"DeclineRequest":      {En: "Why a refund is declined", Zh: "驳回退款申请"},
	"RefundRequest":       {En: "The refund of a trade, or of a part of it (alipay.trade.refund)", Zh: "交易的全额或部分退款（alipay.trade.refund）"},
	"RefundGoods":         {En: "One article of a refund", Zh: "退款包含的一件商品"},
	"RefundRoyalty":       {En: "What one receiver of the trade's royalties pays back", Zh: "一个分账接收方退还的金额"},
	"CouponRefundRequest": {En: "The return of a red packet, or of what nobody took of it (alipay.fund.coupon.order.refund, alipay.fund.trans.refund)", Zh: "红包的全额退款，或未领取部分的退款（alipay.fund.coupon.order.refund、alipay.fund.trans.refund）"},
	"UnfreezeRequest":     {En: "The release of a pre-authorisation, or of a part of it (alipay.fund.auth.order.unfreeze)", Zh: "预授权的全额或部分解冻（alipay.fund.auth.order.unfreeze）"},
	"Refund":              {En: "A refund, in short", Zh: "一笔退款（摘要）"},
	"ListedRefund":        {En: "A refund in a list; GET /refunds/{id} has the whole record", Zh: "列表中的一笔退款，完整记录见 GET /refunds/{id}"},
	"Heard":               {En: "What was last heard of an unresolved refund; it proves nothing", Zh: "未决退款最近得到的应答，不能作为结果的依据"},
	"RefundPage":          {En: "Refunds, the oldest first", Zh: "退款列表，由旧到新"},
	"RefundRecord":        {En: "All that is known of a refund", Zh: "一笔退款的完整记录"},
	"AuditList":           {En: "Days that were audited", Zh: "已对账的日期"},
	"Audit":               {En: "A day's refunds of trades in Alipay's bill, held against the ledger", Zh: "某日支付宝账单中的交易退款与账本的核对结果"},
	"Sum":                 {En: "So many refunds, and what they come to", Zh: "退款笔数与金额"},
	"Difference":          {En: "One refund in which the bill and the ledger differ", Zh: "账单与账本不一致的一笔退款"},
	"NotComparable":       {En: "Refunds of which no bill tells, or whose bill could not be had", Zh: "没有账单可比的退款"},
	"Delivery":            {En: "How far an event has come on its way to its hook", Zh: "一个事件的投递进度"},
	"HistoryEntry":        {En: "One line of a refund's history", Zh: "退款历史中的一条"},
	"Problem":             {En: "An RFC 9457 problem", Zh: "RFC 9457 格式的错误"},
	"FieldProblem":        {En: "One wrong field", Zh: "一个有误的字段"},
	"Notification":        {En: "A form as Alipay signs and posts it; these are the fields that every one has", Zh: "由支付宝签名并推送的表单，以下是共有的字段"},
}

// fieldWords are by the field's name, or by schema and field where the name alone says
// something else.
var fieldWords = map[string]words{
	// requests
	"out_trade_no":                     {En: "The order's number at the merchant", Zh: "商户订单号"},
	"trade_no":                         {En: "The order's number at Alipay", Zh: "支付宝交易号"},
	"refund_amount":                    {En: "What is refunded", Zh: "退款金额"},
	"out_request_no":                   {En: "The refund's own number: the same number is the same refund", Zh: "退款请求号：同一请求号即同一笔退款"},
	"RefundRequest.out_request_no":     {En: "The refund's own number, within its order: the same number is the same refund. A partial refund needs one; without it the order's number is it", Zh: "退款请求号，在订单内唯一：同一请求号即同一笔退款。部分退款必填；不填则为订单号"},
	"refund_reason":                    {En: "Why; shown to the buyer", Zh: "退款原因，会展示给买家"},
	"refund_goods_detail":              {En: "The articles that are refunded", Zh: "退款包含的商品列表"},
	"refund_royalty_parameters":        {En: "Who pays back royalties of the trade", Zh: "退分账明细"},
	"query_options":                    {En: "What Alipay's answer shall have, too; deposit_back_info asks for the bank's word on a refund to a card", Zh: "希望支付宝额外返回的内容；deposit_back_info 表示需要银行卡冲退信息"},
	"related_settle_confirm_no":        {En: "The number of the settlement that the refund belongs to", Zh: "退款关联的结算确认单号"},
	"operator_id":                      {En: "Who refunds, the merchant's own number", Zh: "商户操作员编号"},
	"store_id":                         {En: "In which shop, the merchant's own number", Zh: "商户门店编号"},
	"terminal_id":                      {En: "At which till, the merchant's own number", Zh: "商户机具终端编号"},
	"refund_currency":                  {En: "Only CNY, which it is without", Zh: "仅支持 CNY，默认即为 CNY"},
	"merchant":                         {En: "Whom an ISV's application acts for, by the application's own name for it", Zh: "服务商应用所代理的商户，以应用自定的名称表示"},
	"app_auth_token":                   {En: "The token by which an ISV's application acts for a merchant; it is never stored", Zh: "服务商代商户调用的令牌，不会被存储"},
	"auth_no":                          {En: "Alipay's number of the red packet or of the pre-authorisation", Zh: "红包或预授权的支付宝单号"},
	"amount":                           {En: "Yuan; absent if it is not known", Zh: "金额（元）；未知时不返回"},
	"CouponRefundRequest.amount":       {En: "What is returned", Zh: "退款金额"},
	"UnfreezeRequest.amount":           {En: "What is released", Zh: "解冻金额"},
	"RefundRoyalty.amount":             {En: "What is paid back", Zh: "退分账金额"},
	"remark":                           {En: "Why", Zh: "备注"},
	"product":                          {En: "Which of Alipay's interfaces returns it; without it the application's usual one", Zh: "由哪个支付宝接口退款；不填则为应用默认的接口"},
	"notify_url":                       {En: "Where Alipay notifies the success", Zh: "支付宝通知成功的地址"},
	"CouponRefundRequest.notify_url":   {En: "Where Alipay notifies the success: one of the application's own addresses, of which one is the default", Zh: "支付宝通知成功的地址，只能是应用已配置的地址；不填则用默认地址"},
	"UnfreezeRequest.notify_url":       {En: "Where Alipay notifies the success: one of the application's own addresses, of which one is the default", Zh: "支付宝通知成功的地址，只能是应用已配置的地址；不填则用默认地址"},
	"out_order_no":                     {En: "The order's own number at the merchant", Zh: "商户的订单号"},
	"CouponRefundRequest.out_order_no": {En: "The red packet's own number at the merchant. With it Alipay can be asked about a refund whose answer was lost", Zh: "商户的红包订单号。填写后，应答丢失时才能向支付宝查询"},
	"UnfreezeRequest.out_order_no":     {En: "The pre-authorisation's own number at the merchant. With it Alipay can be asked about a release whose answer was lost", Zh: "商户的预授权订单号。填写后，应答丢失时才能向支付宝查询"},
	"extra_param":                      {En: "A JSON object in a text; its one documented key is unfreezeBizInfo", Zh: "字符串形式的 JSON 对象，有文档的键只有 unfreezeBizInfo"},

	"goods_id":                {En: "The article's number", Zh: "商品编号"},
	"out_sku_id":              {En: "The merchant's number of the article's variant", Zh: "商家侧 SKU 编号"},
	"out_item_id":             {En: "The merchant's number of the article", Zh: "商家侧商品编号"},
	"out_certificate_no_list": {En: "The merchant's numbers of vouchers", Zh: "商家侧凭证编号列表"},
	"royalty_type":            {En: "The kind of royalty", Zh: "分账类型"},
	"trans_out":               {En: "Whose account pays", Zh: "支出方账户"},
	"trans_out_type":          {En: "What kind of number trans_out is", Zh: "支出方账户类型"},
	"trans_in":                {En: "Whose account receives", Zh: "收入方账户"},
	"trans_in_type":           {En: "What kind of number trans_in is", Zh: "收入方账户类型"},
	"amount_percentage":       {En: "Instead of amount: a hundredth part of the trade's", Zh: "替代 amount：退分账百分比"},
	"desc":                    {En: "Why", Zh: "分账描述"},
	"royalty_scene":           {En: "The occasion", Zh: "分账场景"},
	"trans_in_name":           {En: "The receiver's name, to be checked", Zh: "收入方姓名，用于校验"},

	// a refund
	"id":             {En: "The refund's number here, made of the numbers that identify it", Zh: "退款在本模块的编号，由其标识号计算得出"},
	"state":          {En: "pending is neither success nor failure: money may have moved, and nobody knows yet. awaiting_approval: nothing was sent, and nothing is before another person approves", Zh: "pending 既非成功也非失败：资金可能已变动，尚不确定。awaiting_approval：等待他人审批，未发送"},
	"kind":           {En: "What it is of: a trade, a red packet (coupon), a pre-authorisation (unfreeze)", Zh: "类别：交易（trade）、红包（coupon）、预授权（unfreeze）"},
	"operation_id":   {En: "Alipay's number of the refund of a red packet or pre-authorisation", Zh: "支付宝对红包或预授权操作的单号"},
	"source":         {En: "What settled it: the call's answer, a query, a notification, a person; absent if an approval expired", Zh: "得出结果的依据：应答、查询、通知或人工；逾期未审批时不返回"},
	"approval_until": {En: "When the wait for a second person's approval ends, or ended", Zh: "审批的截止时间"},
	"approved_by":    {En: "Who approved it", Zh: "审批通过人"},
	"declined_by":    {En: "Who declined it", Zh: "驳回人"},
	"reason":         {En: "Why, for the history", Zh: "原因，记入历史"},
	"delivered":      {En: "The application's hook for what became of it has returned nil. false where it has not yet, and where none is set: then there is nothing to deliver", Zh: "应用的钩子已处理该结果（返回 nil）。尚未处理时为 false；未设置该钩子则无可投递，也为 false"},
	"repeated":       {En: "It was known before this request", Zh: "此前已有该笔退款"},
	"retryable":      {En: "It failed, and the same request may be repeated once the cause is mended", Zh: "已失败，排除原因后可原样重试"},
	"asked_again":    {En: "It failed because Alipay, asked, knew nothing of it; Alipay is asked again for a day", Zh: "因支付宝查无此笔而判为失败，一天内仍会继续查询"},
	"in_progress":    {En: "Another request is sending it at this moment", Zh: "另一个请求正在发送该笔退款"},
	"attention":      {En: "Why a person should look; waiting will not heal it", Zh: "需要人工关注的原因，等待无法自愈"},
	"heard":          {En: "What was last heard of it", Zh: "最近得到的应答"},
	"settled_at":     {En: "When its state became what it is", Zh: "得出当前状态的时间"},
	"alipay":         {En: "Alipay's own node, verified, as it came. Its refund_fee is the order's running total, this refund and all before it; what this refund moved is amount", Zh: "支付宝应答的节点原文，已验签。其中 refund_fee 是该订单累计的退款总额，包括此前的各笔；本笔退款的金额见 amount"},
	"code":           {En: "Alipay's code", Zh: "支付宝的 code"},
	"sub_code":       {En: "Alipay's sub_code", Zh: "支付宝的 sub_code"},
	"message":        {En: "Alipay's words, or what went wrong with the call", Zh: "支付宝的说明，或调用出错的原因"},
	"refunds":        {En: "The page", Zh: "本页的退款"},
	"next":           {En: "The cursor of the next page; absent on the last one", Zh: "下一页的 cursor；最后一页不返回"},

	// its record
	"app_id":           {En: "The application", Zh: "应用"},
	"method":           {En: "The interface that makes it, if not the usual one of its kind", Zh: "所用接口，仅在非该类别默认接口时返回"},
	"request":          {En: "What was asked of Alipay (biz_content), the same in every send", Zh: "发送给支付宝的 biz_content，每次发送都相同"},
	"actor":            {En: "Who asked for it, by the application's guard", Zh: "操作人，由应用的鉴权给出"},
	"origin":           {En: "How it came to be known: by a request, or, of what was made elsewhere, by a notification or by Alipay's daily bill", Zh: "来源：本模块的请求；别处发起的退款则来自通知或支付宝日账单"},
	"promised":         {En: "It is sent, however late: it was approved, or whoever asked was answered before it was sent", Zh: "无论多晚都会发送：已审批通过，或发送前已应答请求方"},
	"not_sent":         {En: "It failed because nothing was sent", Zh: "因未发送而失败"},
	"attempts":         {En: "How many sends were recorded", Zh: "已登记的发送次数"},
	"unanswered":       {En: "The sends that no signed answer has ended", Zh: "尚无已验签应答的发送序号"},
	"refused":          {En: "Alipay refused the last send, which is a failure only once a query finds nothing", Zh: "最近一次发送被拒绝，查询确认无此笔后才算失败"},
	"unknown_refusals": {En: "How many sends were refused for a reason that no page explains", Zh: "因文档未说明的原因被拒绝的次数"},
	"created_at":       {En: "When it was recorded", Zh: "登记时间"},
	"updated_at":       {En: "When the record last changed", Zh: "记录最近变更时间"},
	"sent_at":          {En: "When the last send began, or its call was over", Zh: "最近一次发送开始或调用结束的时间"},
	"rechecks":         {En: "How many questions are still put about the failure", Zh: "失败后还会查询的次数"},
	"asks":             {En: "The questions since the last send", Zh: "最近一次发送后的查询次数"},
	"ask_at":           {En: "When Alipay is to be asked", Zh: "下次查询时间"},
	"next_at":          {En: "When there is work to do again", Zh: "下次需要处理的时间"},
	"subscribed":       {En: "The events that named subscribers hear of it", Zh: "具名订阅者会收到的事件"},
	"deliveries":       {En: "Its events, on their way to their hooks", Zh: "事件的投递进度"},
	"history":          {En: "What happened, in order; of a long one, its beginning and its end", Zh: "按时间排列的历史；过长时只保留首尾"},
	"event":            {En: "The event, with @ and a name if a named subscriber hears it", Zh: "事件；具名订阅者的以@名称结尾"},
	"done":             {En: "The hook has returned without an error, or none is set", Zh: "钩子已成功返回，或未设置该钩子"},
	"at":               {En: "When", Zh: "时间"},
	"tries":            {En: "How often the hook was called", Zh: "钩子被调用的次数"},
	"renewed":          {En: "How often it became due anew", Zh: "重新变为待投递的次数"},
	"error":            {En: "Why the last call failed", Zh: "最近一次失败的原因"},
	"what":             {En: "What happened, such as created, approved, send, answer, query, notice, person, delivered", Zh: "发生了什么，例如 created、approved、send、answer、query、notice、person、delivered"},
	"detail":           {En: "More about it", Zh: "说明"},
	"attempt":          {En: "The send that it is about", Zh: "相关的发送序号"},
	"notify_id":        {En: "The notification that it came by", Zh: "相关通知的编号"},

	// audits
	"audits":                {En: "The days, the latest first", Zh: "各日结果，由新到旧"},
	"day":                   {En: "A day of China's, such as 2026-10-03", Zh: "日期（北京时间），例如 2026-10-03"},
	"Audit.at":              {En: "When this was found; a later audit that finds the same keeps it", Zh: "得出该结果的时间；之后对账结果不变则保持不变"},
	"verdict":               {En: "agreed; partly, if not all can be compared; open, if a later audit will tell; differs, if a person should look", Zh: "agreed 为一致；partly 为部分无法比较；open 为以后再核对才知道；differs 为需要有人查看"},
	"bill":                  {En: "The bill's side, to the fen", Zh: "账单一方，精确到分"},
	"ledger":                {En: "The ledger's side, to the fen", Zh: "账本一方，精确到分"},
	"agreed":                {En: "Refunds that both sides have, of one amount", Zh: "双方都有且金额相同的笔数"},
	"settled":               {En: "How many of them were unresolved until this audit asked Alipay", Zh: "其中由本次对账查询后才得出结果的笔数"},
	"other_day":             {En: "The ledger's refunds of the day that another day's bill has", Zh: "账本当日的退款中，记在另一天账单的笔数"},
	"pending":               {En: "The ledger's refunds of the day that are unresolved, and in no bill", Zh: "账本当日未决、且不在账单中的笔数"},
	"no_bill":               {En: "Alipay had no bill of the day", Zh: "支付宝没有该日账单"},
	"counts":                {En: "How many differences there are of each kind", Zh: "各类差异的笔数"},
	"differences":           {En: "The differences, at most 100 of each kind", Zh: "各笔差异，每类最多 100 笔"},
	"not_comparable":        {En: "The ledger's refunds of the day that cannot be compared", Zh: "账本当日无法比较的退款"},
	"Audit.delivered":       {En: "The application's hook has taken it", Zh: "应用的钩子已处理"},
	"NotComparable.refunds": {En: "How many", Zh: "笔数"},
	"Sum.refunds":           {En: "How many", Zh: "笔数"},
	"NotComparable.amount":  {En: "What they come to", Zh: "合计金额"},
	"Sum.amount":            {En: "What they come to", Zh: "合计金额"},
	"why":                   {En: "Why the bill could not be had; absent for what no bill of trades has", Zh: "取不到账单的原因；交易账单本就不含的类别不返回"},
	"Difference.kind":       {En: "In what they differ; docs/audit.md explains each", Zh: "差异类别，说明见 docs/audit.zh-CN.md"},
	"Difference.attention":  {En: "A person should look", Zh: "需要有人查看"},
	"Difference.id":         {En: "The ledger's refund", Zh: "账本中的退款编号"},
	"Difference.state":      {En: "Its state in the ledger", Zh: "账本中的状态"},
	"billed":                {En: "The bill's amount", Zh: "账单金额"},
	"recorded":              {En: "What succeeded in the ledger", Zh: "账本中已成功的金额"},
	"said":                  {En: "What Alipay's signed answer says", Zh: "支付宝有签名的应答中的金额"},

	// problems
	"status":            {En: "The HTTP status", Zh: "HTTP 状态码"},
	"Problem.code":      {En: "What it is, a stable word; docs/problems.md lists all", Zh: "错误代码，稳定不变；全部代码见 docs/problems.zh-CN.md"},
	"title":             {En: "The same in words", Zh: "错误的文字说明"},
	"Problem.detail":    {En: "What is wrong this time, and what would be right", Zh: "本次的具体问题，以及应当如何"},
	"errors":            {En: "The wrong fields, or parameters", Zh: "有误的字段或参数"},
	"alipay_code":       {En: "Alipay's code, if it refused", Zh: "支付宝拒绝时的 code"},
	"Problem.sub_code":  {En: "Alipay's sub_code, if it refused", Zh: "支付宝拒绝时的 sub_code"},
	"sub_msg":           {En: "Alipay's words, if it refused", Zh: "支付宝拒绝时的说明"},
	"trace_id":          {En: "What Alipay's support asks for", Zh: "供支付宝技术支持排查的编号"},
	"pointer":           {En: "The field, an RFC 6901 pointer with the name that the caller wrote, or the parameter", Zh: "有误的字段（RFC 6901 指针，使用调用方所写的名称）或参数"},
	"FieldProblem.code": {En: "The rule that is broken, such as required, max, type; of amounts required, amount, precision, range", Zh: "违反的规则，例如 required、max、type；金额为 required、amount、precision、range"},

	// a notification
	"Notification.notify_id":   {En: "The notification's number; a repetition has the same", Zh: "通知编号，重复推送时不变"},
	"Notification.notify_type": {En: "What it tells of", Zh: "通知类型"},
	"Notification.sign":        {En: "Alipay's signature of all other fields", Zh: "支付宝对其他所有字段的签名"},
	"Notification.sign_type":   {En: "RSA2, and nothing else", Zh: "只接受 RSA2"},
}
