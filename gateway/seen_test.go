package gateway_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/gateway"
)

// What a client has seen of Alipay is what its last calls said.
func TestSeen(t *testing.T) {
	const node = `{"code":"40004","msg":"Business Failed","sub_code":"ACQ.TRADE_NOT_EXIST"}`
	refused := func(sub string) string {
		return `{"code":"40002","msg":"Invalid Arguments","sub_code":"` + sub + `"}`
	}
	signed := func(node string) string {
		return `{"alipay_trade_query_response":` + node + `,"sign":"` + sign(node) + `"}`
	}
	unsigned := func(node string) string { return `{"alipay_trade_query_response":` + node + `}` }
	type seen struct{ verified, unverified, accepted, refused bool }
	for _, c := range []struct {
		name, answer string
		want         seen
	}{
		{"a signed refusal of the trade", signed(node), seen{verified: true, accepted: true}},
		{"another's signature", `{"alipay_trade_query_response":` + node + `,"sign":"` + sign("another text") + `"}`, seen{unverified: true}},
		{"a refusal of the signature", signed(refused("isv.invalid-signature")), seen{verified: true, refused: true}},
		{"an unsigned refusal of the signature", unsigned(refused("isv.invalid-signature")), seen{refused: true}},
		{"an unknown application", unsigned(refused("isv.invalid-app-id")), seen{refused: true}},
		{"another certificate", signed(refused("isv.invalid-app-cert-sn")), seen{verified: true, refused: true}},
		{"another unsigned refusal", unsigned(refused("isv.invalid-format")), seen{unverified: true}},
		{"no answer of the gateway's", `<html>`, seen{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := newClient(t, gateway.Config{HTTP: answering(c.answer)})
			_, _ = client.Do(t.Context(), gateway.MethodTradeQuery, struct{}{}, gateway.Options{})
			s := client.Seen()
			if got := (seen{!s.Verified.IsZero(), !s.Unverified.IsZero(), !s.Accepted.IsZero(), !s.Refused.IsZero()}); got != c.want || c.want.refused != (s.SubCode != "") {
				t.Errorf("seen %+v, want %+v", s, c.want)
			}
			if !s.Dated.IsZero() {
				t.Errorf("it was told no time, and says %v", s.Ahead)
			}
		})
	}
}

// The gateway's clock is that in the middle of the exchange.
func TestSeenClock(t *testing.T) {
	for _, ahead := range []time.Duration{0, 5 * time.Minute, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			client := newClient(t, gateway.Config{HTTP: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				time.Sleep(2 * time.Second)
				answer := response(http.StatusOK, "")
				answer.Header.Set("Date", time.Now().Add(-ahead).UTC().Format(http.TimeFormat))
				time.Sleep(2 * time.Second)
				return answer, r.Body.Close()
			})}})
			_, _ = client.Do(t.Context(), gateway.MethodTradeQuery, struct{}{}, gateway.Options{})
			if s := client.Seen(); (s.Ahead-ahead).Abs() > time.Second || s.Dated != time.Now() {
				t.Errorf("%v ahead at %v, want %v", s.Ahead, s.Dated, ahead)
			}
		})
	}
}
