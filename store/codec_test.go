package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Whatever field a refund has, or is given one day, is kept.
func TestEveryFieldIsKept(t *testing.T) {
	var r store.Refund
	n := 0
	fill(t, reflect.ValueOf(&r).Elem(), &n)
	r.AsOf = time.Time{} // of a call
	r.Request, r.Answer = "{ \"z\":1e2,\"a\":\"<\\u4e2d\\/&> 文\" }", "{\"a\" :1}"
	doc, err := store.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := store.Decode(doc)
	if err != nil {
		t.Fatal(err)
	}
	for i, field := range reflect.VisibleFields(reflect.TypeFor[store.Refund]()) {
		got, want := reflect.ValueOf(got).Field(i).Interface(), reflect.ValueOf(r).Field(i).Interface()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is kept as %+v; want %+v: does it miss in document?", field.Name, got, want)
		}
	}
}

// fill puts another value into every field, however deep.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(*n), 1000).UTC()))
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, n)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprint("文 ", *n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(int64(*n))
	default:
		t.Fatalf("a %s: say here how to fill it", v.Type())
	}
}

// A process must not write back what it cannot read whole.
func TestDecodeRefuses(t *testing.T) {
	doc, err := store.Encode(store.Refund{ID: "rf_1", Kind: store.Trade, State: store.Pending, Amount: 1})
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(doc), `"v":1`, `"v":2,"split_refunds":[1]`, 1)
	for _, c := range []struct {
		name, doc string
		newer     bool
	}{
		{"a newer document", newer, true},
		{"an unknown field", strings.Replace(string(doc), `"v":1`, `"v":1,"split_refunds":[1]`, 1), false},
		{"nothing", "", false},
		{"half a document", string(doc[:len(doc)-1]), false},
		{"a list", "[]", false},
		{"no amount", `{"v":1,"amount":"-1"}`, false},
	} {
		r, err := store.Decode([]byte(c.doc))
		if err == nil || errors.Is(err, store.ErrNewerDocument) != c.newer || !reflect.DeepEqual(r, store.Refund{}) {
			t.Errorf("%s: %+v, %v", c.name, r, err)
		}
	}
}

// Documents were written before they had a version.
func TestDecodeTakesADocumentWithoutAVersion(t *testing.T) {
	const old = `{"id":"rf_1","kind":"coupon","app_id":"2021","method":"alipay.fund.trans.refund","auth_no":"P1","out_request_no":"R1","amount":"2.00",` +
		`"origin":"request","state":"pending","attempts":1,"unanswered":[1],"created_at":"2026-11-22T10:00:00Z","updated_at":"2026-11-22T10:00:01Z",` +
		`"ask_at":"2026-11-22T10:00:02Z","order_id":"or_1","request":"{}","answered":true,"lease":{"Token":"t","Until":"2026-11-22T10:01:00Z"},` +
		`"deliveries":[{"event":"refund_succeeded","done":false,"at":"2026-11-22T10:00:01Z","tries":1,"lease":{"Token":"d","Until":"2026-11-22T10:01:00Z"}}]}`
	r, err := store.Decode([]byte(old))
	if err != nil || r.ID != "rf_1" || r.OrderID != "or_1" || r.Amount != 2_00 || !r.Answered || r.Lease.Token != "t" || r.DeliveryLease(store.RefundSucceeded).Token != "d" {
		t.Errorf("%+v, %v", r, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"v":1,"id":"rf_1","amount":"1.00","request":"{}","deliveries":[{"event":"refund_failed"}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		r, err := store.Decode(doc)
		if err != nil {
			return
		}
		again, err := store.Encode(r)
		if err != nil {
			return // a text that is none
		}
		if r2, err := store.Decode(again); err != nil || r2.ID != r.ID || r2.Amount != r.Amount || r2.State != r.State {
			t.Errorf("%s became %s: %v", doc, again, err)
		}
	})
}
