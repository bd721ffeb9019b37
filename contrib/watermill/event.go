package watermill

import (
	"fmt"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

const (
	contentType = "application/cloudevents+json; charset=utf-8"
	dataSchema  = "urn:alirefund:refund:v1"
)

// types are the CloudEvents' types.
var types = map[store.Event]string{
	store.RefundSucceeded:  "alirefund.refund.succeeded.v1",
	store.RefundFailed:     "alirefund.refund.failed.v1",
	store.RefundUnresolved: "alirefund.refund.unresolved.v1",
}

// event is a CloudEvent 1.0 in its JSON format, with the extensions sequence and
// partitionkey.
type event struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject"`
	Time            time.Time `json:"time,omitzero"`
	DataContentType string    `json:"datacontenttype"`
	DataSchema      string    `json:"dataschema"`
	Sequence        string    `json:"sequence"`
	PartitionKey    string    `json:"partitionkey"`
	Data            refund    `json:"data"`
}

// refund is what is published of one: neither Alipay's raw answer, which names the buyer,
// nor who asked for it.
type refund struct {
	ID           string       `json:"id"`
	Kind         store.Kind   `json:"kind"`
	State        store.State  `json:"state"`
	AppID        string       `json:"app_id"`
	Merchant     string       `json:"merchant,omitempty"`
	OutTradeNo   string       `json:"out_trade_no,omitempty"`
	TradeNo      string       `json:"trade_no,omitempty"`
	AuthNo       string       `json:"auth_no,omitempty"`
	OutOrderNo   string       `json:"out_order_no,omitempty"`
	OperationID  string       `json:"operation_id,omitempty"`
	OutRequestNo string       `json:"out_request_no,omitempty"`
	Amount       money.Amount `json:"amount,omitempty"`
	Origin       store.Origin `json:"origin"`
	Source       store.Source `json:"source,omitempty"`
	Code         string       `json:"code,omitempty"`
	SubCode      string       `json:"sub_code,omitempty"`
	Reason       string       `json:"reason,omitempty"`
	CreatedAt    time.Time    `json:"created_at"`
	SettledAt    time.Time    `json:"settled_at,omitzero"`
}

func (c Config) event(d alirefund.Delivery) event {
	r := d.Refund
	e := event{
		SpecVersion: "1.0", ID: d.ID, Source: c.Source, Type: types[d.Event], Subject: r.ID,
		DataContentType: "application/json", DataSchema: dataSchema, PartitionKey: r.OrderID,
		Sequence: fmt.Sprintf("%020d", since(r).UnixMicro()),
		Data: refund{
			ID: r.ID, Kind: r.Kind, State: r.State, AppID: r.App, Merchant: r.Merchant,
			OutTradeNo: r.OutTradeNo, TradeNo: r.TradeNo, AuthNo: r.AuthNo, OutOrderNo: r.OutOrderNo,
			OperationID: r.OperationID, OutRequestNo: r.OutRequestNo, Amount: r.Amount,
			Origin: r.Origin, Source: r.Source, Code: r.Code, SubCode: r.SubCode, Reason: d.Reason,
			CreatedAt: r.CreatedAt, SettledAt: r.SettledAt,
		},
	}
	if d.Event != store.RefundUnresolved {
		e.Time = r.SettledAt
	}
	return e
}

// since is when the refund became what it is, by the ledger's clock.
func since(r store.Refund) time.Time {
	if !r.SettledAt.IsZero() {
		return r.SettledAt
	}
	at := r.CreatedAt
	for _, entry := range r.History {
		if entry.What == "reopened" {
			at = entry.At
		}
	}
	return at
}
