package engine_test

import (
	"errors"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// One application may serve red packets of both products: the request says which,
// and Config.CouponProduct where it does not.
func TestProductOfARequest(t *testing.T) {
	alipay := alipaytest.New(alipaytest.Config{})
	older := alipay.AddRedPacket(alipaytest.RedPacket{Amount: 10_00})
	newer := alipay.AddRedPacket(alipaytest.RedPacket{Amount: 10_00, FundTrans: true})
	var told []string
	e := newEngine(t, alipay, store.NewMemory(), &told)

	for _, c := range []struct {
		number, authNo string
		product        engine.CouponProduct
		method, kept   string
	}{
		{"R1", older.AuthNo, "", gateway.MethodCouponRefund, ""},
		{"R2", older.AuthNo, engine.CouponOrderRefund, gateway.MethodCouponRefund, ""},
		{"R3", newer.AuthNo, engine.FundTransRefund, gateway.MethodFundTransRefund, gateway.MethodFundTransRefund},
	} {
		result, err := e.CouponRefund(t.Context(), engine.CouponRefundRequest{
			AuthNo: c.authNo, OutRequestNo: c.number, Amount: 1_00, Remark: "r", Product: c.product,
		})
		calls := alipay.Calls()
		if err != nil || calls[len(calls)-1].Method != c.method || result.Refund.Method != c.kept {
			t.Errorf("%s went by %s and is recorded as %q, %v", c.number, calls[len(calls)-1].Method, result.Refund.Method, err)
		}
	}

	_, err := e.CouponRefund(t.Context(), engine.CouponRefundRequest{AuthNo: "A", OutRequestNo: "R4", Amount: 1_00, Remark: "r", Product: "alipay.trade.refund"})
	var wrong *engine.ValidationError
	if !errors.As(err, &wrong) || len(wrong.Fields) != 1 || wrong.Fields[0].Pointer != "/product" || wrong.Fields[0].Rule != "oneof" {
		t.Errorf("another product gives %v", err)
	}
}
