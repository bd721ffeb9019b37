package alirefund_test

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

// What is promised of a trade's refund holds by OpenAPI version 3, too. With -v3
// every other test goes by it as well, but for those about the form of version 2.
func TestOverV3(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"refund":                     TestRefundSucceeds,
		"faults of the call":         TestFaultsOfTheCall,
		"nothing again too soon":     TestNothingIsSentAgainTooSoonOrWithoutAnAnswer,
		"refusal of an earlier send": TestARefusalThatAnEarlierSendMayHaveCaused,
		"closed trade":               TestClosedTradeIsAskedAboutBeforeItFails,
		"empty store":                TestAnEmptyStoreStillRefundsOnce,
		"definite refusals":          TestDefiniteRefusals,
		"unknown refusal":            TestUnknownRefusalIsUnresolved,
		"without a number":           TestWithoutANumberTheOrdersIsIt,
		"trade_no":                   TestTradeNo,
		"answer to another refund":   TestAnswerToAnotherRefund,
		"replayed answer":            TestAnswerWithASmallerFee,
		"client hangs up":            TestClientThatHangsUp,
		"query that does not match":  TestQueryThatDoesNotMatchProvesNothing,
		"answer ends its send":       TestAnAnswerEndsItsSend,
		"another refund's answer":    TestAnotherRefundsAnswerTeachesNothing,
		"unsent question":            TestUnsentQuestionSettlesNothing,
		"discordant number":          TestNoticeOfADiscordantNumber,
		"refunded elsewhere":         TestFailedHereRefundedElsewhere,
		"inconclusive answer":        TestRefusalAfterAnInconclusiveAnswer,
		"notice overtakes":           TestNoticeThatOvertakesAnotherAmount,
		"merchant's token":           TestAppAuthToken,
		"merchant's token, fetched":  TestMerchantsTokenIsFetched,
		"unresolved is settled":      TestRunSettlesWhatACallLeft,
		"verbatim node":              TestNodeIsVerbatim,
		"node in another charset":    TestNodeInAnotherCharset,
		"headless":                   TestHeadless,
	} {
		t.Run(name, test)
	}
	t.Run("Chaos", func(t *testing.T) { runChaos(t, *chaosRefunds/5) })
}

var allV3 = flag.Bool("v3", false, "every shop refunds trades by OpenAPI version 3")

// overV3 tells whether a test's shop refunds trades by OpenAPI version 3.
func overV3(t *testing.T) bool {
	return *allV3 || strings.HasPrefix(t.Name(), "TestOverV3/")
}

// Version 3 signs no refusal of its own: one that quotes the request and its
// token is shown without them, asks for attention, and settles nothing.
func TestGatewaysRefusalOverV3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, func(c *alirefund.Config) { c.Protocol = gateway.V3 })
		s.trade()
		right := s.config.App.Signer
		s.config.App.Signer = newKey(t)
		s.restart()
		body := partly[:len(partly)-1] + `,"app_auth_token":"secret-token"}`
		r := s.refund(body)
		s.expect(r, 202, "pending")
		if !strings.Contains(r.str("attention"), "40002 invalid-signature") {
			t.Errorf("attention: %s", r.text)
		}
		if record := s.get(r.str("id")); strings.Contains(record.text+r.text, "secret-token") {
			t.Errorf("the token is kept: %s", record.text)
		}
		s.expectTold("refund_unresolved")
		s.expectMoved("")
		time.Sleep(time.Minute)
		s.config.App.Signer = right
		s.restart()
		s.expect(s.refund(body), 200, "succeeded")
		s.expectTold("refund_unresolved refund_succeeded")
		s.expectMoved("R1=8.88")
	})
}

// By version 3 trades go to their paths, and red packets to gateway.do.
func TestWhatGoesByV3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, func(c *alirefund.Config) { c.Protocol = gateway.V3 })
		s.trade()
		paths := &noting{RoundTripper: s.config.HTTPClient.Transport}
		s.config.HTTPClient = &http.Client{Transport: paths}
		s.restart()
		s.expect(s.refund(partly), 200, "succeeded")
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
		s.expect(s.refund(numbered("R2", "1.00")), 200, "succeeded")
		s.expect(s.coupon(s.packet("C1", "")), 200, "succeeded")
		if want := "/v3/alipay/trade/refund /v3/alipay/trade/refund /v3/alipay/trade/fastpay/refund/query /gateway.do"; strings.Join(paths.seen, " ") != want {
			t.Errorf("called %s, want %s", paths.seen, want)
		}
	})
}

// noting notes the paths of all requests.
type noting struct {
	http.RoundTripper
	seen []string
}

func (n *noting) RoundTrip(r *http.Request) (*http.Response, error) {
	n.seen = append(n.seen, r.URL.Path)
	return n.RoundTripper.RoundTrip(r)
}

// methodOf returns the method of a request by either version.
func methodOf(r *http.Request) string {
	if method, ok := v3Methods[r.URL.Path]; ok {
		return method
	}
	return r.URL.Query().Get("method")
}

var v3Methods = map[string]string{
	"/v3/alipay/trade/refund":               gateway.MethodTradeRefund,
	"/v3/alipay/trade/fastpay/refund/query": gateway.MethodRefundQuery,
	"/v3/alipay/trade/query":                gateway.MethodTradeQuery,
	"/v3/alipay/trade/close":                gateway.MethodTradeClose,
}

// v3Answer is a voice's answer by version 3, whose refusals have one code.
func v3Answer(sign *signer.Signer, node string, signed bool) (*http.Response, error) {
	status := http.StatusOK
	var words struct{ Code, SubCode, SubMsg string }
	if json.Unmarshal([]byte(strings.ReplaceAll(node, "_", "")), &words) == nil && words.Code != "10000" {
		status = http.StatusBadRequest
		node = strings.NewReplacer(`"code"`, `"msg"`, `"msg"`, `"was"`, `"sub_code"`, `"code"`, `"sub_msg"`, `"message"`).Replace(node)
	}
	header := http.Header{}
	if signed {
		text, err := sign.Sign([]byte("1720580375932\nd5553f\n" + node + "\n"))
		if err != nil {
			return nil, err
		}
		header.Set("Alipay-Timestamp", "1720580375932")
		header.Set("Alipay-Nonce", "d5553f")
		header.Set("Alipay-Signature", text)
	}
	return &http.Response{
		StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(node)), ContentLength: -1,
	}, nil
}

// Version 3 in certificate mode, with content encryption and with both; Alipay
// goes over to another certificate in between, the second time with another key.
func TestModesOverV3(t *testing.T) {
	const content = "AAECAwQFBgcICQoLDA0ODw=="
	for name, c := range map[string]alipaytest.Config{
		"certificates": {Certificates: true}, "content": {ContentKey: content}, "both": {Certificates: true, ContentKey: content},
	} {
		t.Run(name, func(t *testing.T) {
			alipay := alipaytest.New(c)
			sign, err := signer.FromPEM(alipay.AppPrivateKey())
			if err != nil {
				t.Fatal(err)
			}
			config := gateway.Config{AppID: alipay.AppID(), Signer: sign, Protocol: gateway.V3, URL: alipaytest.GatewayURL, HTTP: alipay.HTTPClient()}
			if c.Certificates {
				if config.Signer, err = sign.WithCertificate(alipay.AppCertificate()); err == nil {
					config.Verifier, err = signer.VerifierFromCertificates(alipay.AlipayCertificate(), alipay.RootCertificates())
				}
			} else {
				config.Verifier, err = signer.VerifierFromPEM(alipay.AlipayPublicKey())
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.ContentKey != "" {
				if config.ContentKey, err = signer.ContentKeyFromBase64(content); err != nil {
					t.Fatal(err)
				}
			}
			client, err := gateway.New(config)
			if err != nil {
				t.Fatal(err)
			}
			alipay.AddTrade(alipaytest.Trade{OutTradeNo: order})
			change := "Y"
			for range 3 {
				r := gateway.TradeRefund{OutTradeNo: order, OutRequestNo: "R1", RefundAmount: 1_00}
				if answer, err := client.RefundTrade(t.Context(), r, gateway.Options{}); err != nil || answer.FundChange != change {
					t.Fatalf("fund_change %q, want %q: %v", answer.FundChange, change, err)
				}
				q := gateway.RefundQuery{OutTradeNo: order, OutRequestNo: "R1"}
				answer, err := client.QueryRefund(t.Context(), q, gateway.Options{})
				want := gateway.Want{OutTradeNo: order, OutRequestNo: "R1", Amount: 1_00}
				if got := gateway.JudgeRefundQuery(answer.Reply, err, want).Outcome; got != gateway.Succeeded {
					t.Fatalf("%v: %v", got, err)
				}
				_, err = client.QueryTrade(t.Context(), gateway.TradeQuery{OutTradeNo: "none"}, gateway.Options{})
				var refusal *gateway.Error
				if !errors.As(err, &refusal) || !refusal.Signed || refusal.SubCode != "ACQ.TRADE_NOT_EXIST" {
					t.Fatalf("%v", err)
				}
				switch {
				case !c.Certificates:
				case change == "Y":
					alipay.RotateCertificate()
				default:
					alipay.RotateCertificateAndKey()
				}
				change = "N"
			}
			if moved := alipay.Movements(); len(moved) != 1 {
				t.Errorf("movements: %+v", moved)
			}
		})
	}
}
