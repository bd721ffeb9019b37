package gateway_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

// A call, and what its answer proves. An error is not a failed refund, and no
// error is not a successful one: the verdict says which.
func ExampleClient_RefundTrade() {
	alipay := answering(signed(gateway.MethodTradeRefund,
		`{"code":"10000","msg":"Success","out_trade_no":"T1","fund_change":"N","refund_fee":"1.00"}`))
	client, err := gateway.New(gateway.Config{
		AppID:    "2021000000000001",
		Signer:   must(signer.New(appKey())),
		Verifier: must(signer.NewVerifier(&alipayKey().PublicKey)),
		HTTP:     alipay,
	})
	if err != nil {
		panic(err)
	}

	refund := gateway.TradeRefund{OutTradeNo: "T1", OutRequestNo: "R1", RefundAmount: 1_00}
	answer, err := client.RefundTrade(context.Background(), refund, gateway.Options{})
	verdict := gateway.JudgeTradeRefund(answer.Reply, err, gateway.Want{OutTradeNo: "T1", OutRequestNo: "R1", Amount: 1_00})
	fmt.Println("error:", err)
	fmt.Println("fund_change:", answer.FundChange)
	fmt.Println("outcome:", verdict.Outcome)
	// Output:
	// error: <nil>
	// fund_change: N
	// outcome: unresolved
}

// An answer without a signature is shown and not believed.
func ExampleClient_Do() {
	alipay := answering(`{"error_response":{"code":"40002","msg":"Invalid Arguments","sub_code":"isv.invalid-app-id"}}`)
	client, err := gateway.New(gateway.Config{
		AppID:    "2021000000000001",
		Signer:   must(signer.New(appKey())),
		Verifier: must(signer.NewVerifier(&alipayKey().PublicKey)),
		HTTP:     alipay,
	})
	if err != nil {
		panic(err)
	}

	_, err = client.Do(context.Background(), "alipay.trade.query", map[string]string{"out_trade_no": "T1"}, gateway.Options{})
	if refusal, ok := errors.AsType[*gateway.Error](err); ok {
		fmt.Println(refusal.Code, refusal.SubCode)
	}
	fmt.Println(errors.Is(err, gateway.ErrUnverified))
	// Output:
	// 40002 isv.invalid-app-id
	// true
}

// The table alone.
func ExampleJudge() {
	for _, code := range []string{"TRADE_NOT_EXIST", "SYSTEM_ERROR", "A_CODE_OF_TOMORROW"} {
		verdict := gateway.Judge(gateway.Facts{Call: gateway.TradeRefundCall, Transport: gateway.SignedAnswer, Code: "40004", SubCode: code})
		fmt.Println(code, "-", verdict.Outcome)
	}
	// Output:
	// TRADE_NOT_EXIST - failed
	// SYSTEM_ERROR - unresolved
	// A_CODE_OF_TOMORROW - unresolved
}
