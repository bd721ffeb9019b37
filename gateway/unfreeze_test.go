package gateway_test

import (
	"testing"

	"github.com/alirefund/alirefund/gateway"
)

// Every documented field of the two answers is read, an amount from a text and
// from a number alike, and a field of a strange form counts as absent.
func TestUnfreezeAnswers(t *testing.T) {
	reply := gateway.Reply{Signed: true, Node: []byte(`{"auth_no":"A1","out_order_no":"O1","operation_id":20140708,"out_request_no":"R1",
		"amount":0.01,"credit_amount":"0.00","fund_amount":"0.01","status":"SUCCESS","gmt_trans":"2014-09-15 11:23:04"}`)}
	if got := gateway.DecodeUnfreeze(reply); got.AuthNo != "A1" || got.OutOrderNo != "O1" || got.OperationID != "20140708" || got.OutRequestNo != "R1" ||
		got.Amount != 1 || got.CreditAmount != 0 || got.FundAmount != 1 || got.Status != "SUCCESS" || got.GmtTrans != "2014-09-15 11:23:04" {
		t.Errorf("%+v", got)
	}
	reply.Node = []byte(`{"auth_no":"A1","out_order_no":"O1","operation_id":"P1","out_request_no":"R1","operation_type":"UNFREEZE","status":"SUCCESS",
		"order_status":"AUTHORIZED","amount":200.00,"rest_amount":"4600.00","gmt_trans":"2014-09-15 11:23:04","credit_risk_info":{"amount":9}}`)
	if got := gateway.DecodeAuthQuery(reply); got.AuthNo != "A1" || got.OutOrderNo != "O1" || got.OperationID != "P1" || got.OutRequestNo != "R1" ||
		got.OperationType != gateway.OperationUnfreeze || got.Status != "SUCCESS" || got.OrderStatus != "AUTHORIZED" ||
		got.Amount != 200_00 || got.RestAmount != 4600_00 || got.GmtTrans != "2014-09-15 11:23:04" {
		t.Errorf("%+v", got)
	}
	reply.Node = []byte(`{"auth_no":["A1"],"amount":{"amount":1},"rest_amount":"all","status":null}`)
	if got := gateway.DecodeAuthQuery(reply); got.AuthNo != "" || got.Amount != 0 || got.RestAmount != 0 || got.Status != "" {
		t.Errorf("%+v", got)
	}
}
