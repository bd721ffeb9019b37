package gateway

import (
	"context"

	"github.com/alirefund/alirefund/internal/rawjson"
	"github.com/alirefund/alirefund/money"
)

// TradeRefund is the biz_content of alipay.trade.refund: the fields of its
// current page and no other, because the page warns that an undocumented one
// may fail the refund or make it twice.
type TradeRefund struct {
	OutTradeNo              string          `json:"out_trade_no,omitempty"`
	TradeNo                 string          `json:"trade_no,omitempty"` // wins over OutTradeNo
	RefundAmount            money.Amount    `json:"refund_amount"`
	OutRequestNo            string          `json:"out_request_no,omitempty"`
	RefundReason            string          `json:"refund_reason,omitempty"` // shown to the buyer
	RefundGoodsDetail       []RefundGoods   `json:"refund_goods_detail,omitempty"`
	RefundRoyaltyParameters []RefundRoyalty `json:"refund_royalty_parameters,omitempty"`
	QueryOptions            []string        `json:"query_options,omitempty"`
	RelatedSettleConfirmNo  string          `json:"related_settle_confirm_no,omitempty"`
	OperatorID              string          `json:"operator_id,omitempty"` // the merchant's own numbers: who, in which shop, at which till
	StoreID                 string          `json:"store_id,omitempty"`
	TerminalID              string          `json:"terminal_id,omitempty"`
}

// RefundGoods is one article of a refund.
type RefundGoods struct {
	GoodsID              string       `json:"goods_id" validate:"required,max=64"`
	RefundAmount         money.Amount `json:"refund_amount" validate:"amount"`
	OutSKUID             string       `json:"out_sku_id,omitempty" validate:"max=64"`
	OutItemID            string       `json:"out_item_id,omitempty" validate:"max=64"`
	OutCertificateNoList []string     `json:"out_certificate_no_list,omitempty" validate:"dive,max=64"`
}

// RefundRoyalty is what one receiver of the trade's royalties pays back.
type RefundRoyalty struct {
	RoyaltyType  string       `json:"royalty_type,omitempty" validate:"omitempty,oneof=transfer replenish replenish_refund"`
	TransOut     string       `json:"trans_out,omitempty" validate:"max=28"`
	TransOutType string       `json:"trans_out_type,omitempty" validate:"max=64"`
	TransIn      string       `json:"trans_in" validate:"required,max=28"`
	TransInType  string       `json:"trans_in_type,omitempty" validate:"max=64"`
	Amount       money.Amount `json:"amount,omitempty" validate:"omitempty,amount"`
	// AmountPercentage instead of Amount: 1 to 100 (OpenApiRoyaltyDetailInfoPojo of
	// Alipay's SDKs).
	AmountPercentage int    `json:"amount_percentage,omitempty" validate:"omitempty,min=1,max=100"`
	Desc             string `json:"desc,omitempty" validate:"max=1000"`
	RoyaltyScene     string `json:"royalty_scene,omitempty" validate:"max=256"`
	TransInName      string `json:"trans_in_name,omitempty" validate:"max=64"`
}

// TradeRefundAnswer is the node of alipay.trade.refund, and of the first seed
// document cloud.payment.common.refund. Amounts are 0 where they are absent or
// unreadable: an optional field never fails the answer. RefundFee is what the
// trade has been refunded in all, not by this call.
type TradeRefundAnswer struct {
	Reply
	TradeNo, OutTradeNo         string
	BuyerLogonID                string
	BuyerUserID, BuyerOpenID    string
	FundChange                  string // "Y": this call moved the money
	RefundFee                   money.Amount
	RefundCurrency              string
	GmtRefundPay                string // UTC+8
	RefundDetailItems           []FundDetail
	StoreName                   string
	SendBackFee                 money.Amount // what this refund cost the merchant
	RefundHybAmount             money.Amount
	RefundPresetPaytools        []PresetPaytool
	RefundSettlementID          string
	PresentRefundBuyerAmount    money.Amount
	PresentRefundDiscountAmount money.Amount
	PresentRefundMDiscount      money.Amount
}

// FundDetail is one channel that money went back through.
type FundDetail struct {
	FundChannel, BankCode, FundType string
	Amount, RealAmount              money.Amount
}

// PresetPaytool is what went back to a prepaid instrument.
type PresetPaytool struct {
	Amounts        []money.Amount
	AssertTypeCode string
}

// RefundTrade calls alipay.trade.refund. Errors are [Client.Do]'s. Neither an
// error nor its absence says whether money moved: [JudgeTradeRefund] does.
func (c *Client) RefundTrade(ctx context.Context, r TradeRefund, o Options) (TradeRefundAnswer, error) {
	reply, err := c.Do(ctx, MethodTradeRefund, r, o)
	return DecodeTradeRefund(reply), err
}

// DecodeTradeRefund reads the verified node of a reply.
func DecodeTradeRefund(reply Reply) TradeRefundAnswer {
	a := TradeRefundAnswer{Reply: reply}
	_, _ = rawjson.Fields(reply.Node, func(key, value []byte) {
		switch string(key) {
		case "trade_no":
			a.TradeNo = text(value)
		case "out_trade_no":
			a.OutTradeNo = text(value)
		case "buyer_logon_id":
			a.BuyerLogonID = text(value)
		case "buyer_user_id":
			a.BuyerUserID = text(value)
		case "buyer_open_id":
			a.BuyerOpenID = text(value)
		case "fund_change":
			a.FundChange = text(value)
		case "refund_fee":
			a.RefundFee = amount(value)
		case "refund_currency":
			a.RefundCurrency = text(value)
		case "gmt_refund_pay":
			a.GmtRefundPay = text(value)
		case "refund_detail_item_list":
			rawjson.Items(value, func(item []byte) { a.RefundDetailItems = append(a.RefundDetailItems, fundDetail(item)) })
		case "store_name":
			a.StoreName = text(value)
		case "send_back_fee":
			a.SendBackFee = amount(value)
		case "refund_hyb_amount":
			a.RefundHybAmount = amount(value)
		case "refund_preset_paytool_list":
			rawjson.Items(value, func(item []byte) {
				a.RefundPresetPaytools = append(a.RefundPresetPaytools, presetPaytool(item))
			})
		case "refund_settlement_id":
			a.RefundSettlementID = text(value)
		case "present_refund_buyer_amount":
			a.PresentRefundBuyerAmount = amount(value)
		case "present_refund_discount_amount":
			a.PresentRefundDiscountAmount = amount(value)
		case "present_refund_mdiscount_amount":
			a.PresentRefundMDiscount = amount(value)
		}
	})
	return a
}

func fundDetail(raw []byte) (d FundDetail) {
	_, _ = rawjson.Fields(raw, func(key, value []byte) {
		switch string(key) {
		case "fund_channel":
			d.FundChannel = text(value)
		case "bank_code":
			d.BankCode = text(value)
		case "fund_type":
			d.FundType = text(value)
		case "amount":
			d.Amount = amount(value)
		case "real_amount":
			d.RealAmount = amount(value)
		}
	})
	return d
}

func presetPaytool(raw []byte) (p PresetPaytool) {
	_, _ = rawjson.Fields(raw, func(key, value []byte) {
		switch string(key) {
		case "amount":
			rawjson.Items(value, func(item []byte) { p.Amounts = append(p.Amounts, amount(item)) })
		case "assert_type_code":
			p.AssertTypeCode = text(value)
		}
	})
	return p
}

// RefundQuery is the biz_content of alipay.trade.fastpay.refund.query.
type RefundQuery struct {
	OutTradeNo   string   `json:"out_trade_no,omitempty"`
	TradeNo      string   `json:"trade_no,omitempty"`
	OutRequestNo string   `json:"out_request_no"` // the order's number if the refund was sent without one
	QueryOptions []string `json:"query_options,omitempty"`
}

// RefundQueryAnswer is its node. An absent RefundStatus means that no such
// refund arrived, or that it failed, or (in answers of 2019) nothing at all.
type RefundQueryAnswer struct {
	Reply
	TradeNo, OutTradeNo, OutRequestNo string
	RefundAmount                      money.Amount // of this refund
	TotalAmount                       money.Amount
	RefundStatus                      string // REFUND_SUCCESS
	GmtRefundPay                      string // UTC+8
	SendBackFee                       money.Amount
	RefundDetailItems                 []FundDetail
}

// QueryRefund calls alipay.trade.fastpay.refund.query. Errors are [Client.Do]'s.
// [JudgeRefundQuery] says what the answer proves.
func (c *Client) QueryRefund(ctx context.Context, q RefundQuery, o Options) (RefundQueryAnswer, error) {
	reply, err := c.Do(ctx, MethodRefundQuery, q, o)
	return DecodeRefundQuery(reply), err
}

// DecodeRefundQuery reads the verified node of a reply.
func DecodeRefundQuery(reply Reply) RefundQueryAnswer {
	a := RefundQueryAnswer{Reply: reply}
	_, _ = rawjson.Fields(reply.Node, func(key, value []byte) {
		switch string(key) {
		case "trade_no":
			a.TradeNo = text(value)
		case "out_trade_no":
			a.OutTradeNo = text(value)
		case "out_request_no":
			a.OutRequestNo = text(value)
		case "refund_amount":
			a.RefundAmount = amount(value)
		case "total_amount":
			a.TotalAmount = amount(value)
		case "refund_status":
			a.RefundStatus = text(value)
		case "gmt_refund_pay":
			a.GmtRefundPay = text(value)
		case "send_back_fee":
			a.SendBackFee = amount(value)
		case "refund_detail_item_list":
			rawjson.Items(value, func(item []byte) { a.RefundDetailItems = append(a.RefundDetailItems, fundDetail(item)) })
		}
	})
	return a
}

// tradeRows are what the refund of a trade adds to the outcome table.
var tradeRows = []Row{
	{Calls: []Call{TradeRefundCall}, Transport: SignedAnswer, Codes: []string{"10000"}, Verdict: Verdict{Ended: true}, Why: "fund_change is not Y: repeated, or not refunded; only a query tells"},

	{Calls: []Call{TradeRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"DISCORDANT_REPEAT_REQUEST"}, Verdict: Verdict{Ended: true, Attention: true}, Why: "the number was used with another amount; only a query tells whose"},
	{Calls: []Call{TradeRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{
		"REFUND_CHARGE_ERROR", "SELLER_BALANCE_NOT_ENOUGH", "REFUND_ACCOUNT_NOT_EXIST", "REFUNDALLOC_UNAUTH_LIMIT",
	}, Verdict: Verdict{Outcome: FailedRetryable}, Why: "can be mended, then the same number sent again"},
	{Calls: []Call{TradeRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{
		"TRADE_HAS_CLOSE", "TRADE_STATUS_ERROR", "REASON_TRADE_STATUS_INVALID", "TRADE_NOT_ALLOW_REFUND",
	}, Verdict: Verdict{Outcome: Failed, Check: true}, Why: "the trade's status forbids it: never paid, or refunded in full already, perhaps by this number"},
	{Calls: []Call{TradeRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"TRADE_HAS_FINISHED"}, Verdict: Verdict{Outcome: Failed, Check: true}, Why: "past its refund period: since before, or only since this number was sent first"},
	{Calls: []Call{TradeRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{
		"REASON_TRADE_REFUND_FEE_ERR", "REFUND_FEE_ERROR", "REFUND_AMT_NOT_EQUAL_TOTAL",
	}, Verdict: Verdict{Outcome: Failed, Check: true}, Why: "more than is left: perhaps because this number took it"},
	{Calls: []Call{TradeRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{
		"REASON_TRADE_BEEN_FREEZEN", "TRADE_NOT_EXIST", "USER_NOT_MATCH_ERR",
		"NOT_ALLOW_PARTIAL_REFUND", "ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND",
		"BUYER_ENABLE_STATUS_FORBID", "BUYER_ERROR", "BUYER_NOT_EXIST", "CUSTOMER_VALIDATE_ERROR",
		"INVALID_PARAMETER", "CURRENCY_NOT_SUPPORT", "ENTERPRISE_PAY_BIZ_ERROR", "OVERDRAFT_AGREEMENT_NOT_MATCH", "OVERDRAFT_ASSIGN_ACCOUNT_INVALID",
		"ALLOC_AMOUNT_VALIDATE_ERROR", "REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST", "TRADE_SETTLE_ERROR",
	}, Verdict: Verdict{Outcome: Failed}, Why: "refused for good, for a reason that no refund of this number can have caused"},

	{Calls: []Call{RefundQueryCall}, Transport: SignedAnswer, Codes: []string{"10000"}, Proofs: []Proof{Nothing}, Verdict: Verdict{Outcome: NotFound}, Why: "no such refund arrived, or it was refused"},
	{Calls: []Call{RefundQueryCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"TRADE_NOT_EXIST"}, Verdict: Verdict{Outcome: NotFound}, Why: "no such trade, hence no such refund"},
}

var tradeOutcomes = outcomesOf(tradeRows...)

// JudgeTradeRefund says what the reply and error of alipay.trade.refund prove.
func JudgeTradeRefund(reply Reply, err error, want Want) Verdict {
	proof := Unclear
	switch order := reply.Text("out_trade_no"); {
	case order != "" && order != want.OutTradeNo:
		proof = Mismatch
	case reply.Text("refund_fee") != "" && reply.amount("refund_fee") < want.Amount && reply.Text("fund_change") == "Y":
		proof = Mismatch // what the trade was refunded in all is less than this refund
	case reply.Text("fund_change") == "Y":
		proof = Moved
	}
	return tradeOutcomes.judge(TradeRefundCall, reply, err, proof)
}

// JudgeRefundQuery says what the reply and error of
// alipay.trade.fastpay.refund.query prove. Success wants REFUND_SUCCESS and the
// order, number and amount that were asked about.
func JudgeRefundQuery(reply Reply, err error, want Want) Verdict {
	a, proof := DecodeRefundQuery(reply), Unclear
	switch {
	case a.OutTradeNo != "" && a.OutTradeNo != want.OutTradeNo, a.OutRequestNo != "" && a.OutRequestNo != want.OutRequestNo:
		proof = Mismatch
	case a.RefundStatus == "" && reply.Text("refund_amount") == "":
		proof = Nothing
	case a.OutTradeNo == "", a.OutRequestNo == "", want.Amount != 0 && a.RefundAmount != want.Amount:
		proof = Mismatch
	case a.RefundStatus == "REFUND_SUCCESS":
		proof = Moved
	}
	return tradeOutcomes.judge(RefundQueryCall, reply, err, proof)
}
