package notify_test

import (
	"maps"
	"testing"

	"github.com/alirefund/alirefund/signer"
)

// FuzzOpen: whatever is posted, nothing panics, and what is taken has the fields
// of a notice that was signed, no more and no fewer.
func FuzzOpen(f *testing.F) {
	genuine := []fields{payment, partialRefund, fullRefund, couponRefund, unfreeze, sample.with(fields{"app_id": appID})}
	for _, notice := range genuine {
		f.Add(notice.post(f))
		f.Add(append(notice.post(f), "&x=&refund_fee="...))
		f.Add(notice.signed(f, 0).encode())
	}
	f.Add(couponRefund.signed(f, signer.WithoutSignType).with(fields{"app_id": "", "amount": "0.01&app_id=" + appID}).encode())
	rc := receiver(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := rc.Open(body)
		if err != nil {
			if n != nil {
				t.Error("a notification beside an error")
			}
			return
		}
		got := maps.Collect(n.Fields())
		for _, notice := range genuine {
			maps.DeleteFunc(notice, func(_, value string) bool { return value == "null" })
			if maps.Equal(got, notice) {
				return
			}
		}
		t.Errorf("took what was never signed: %v from %q", got, body)
	})
}
