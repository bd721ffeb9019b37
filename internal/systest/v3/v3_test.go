package v3_test

import (
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/signer"
)

// What is promised of a trade's refund holds by OpenAPI version 3, too: these tests
// of the other packages are run once more, with every shop going by it.
var overV3Too = []string{
	"TestRefundSucceeds",
	"TestFaultsOfTheCall",
	"TestNothingIsSentAgainTooSoonOrWithoutAnAnswer",
	"TestARefusalThatAnEarlierSendMayHaveCaused",
	"TestClosedTradeIsAskedAboutBeforeItFails",
	"TestAnEmptyStoreStillRefundsOnce",
	"TestDefiniteRefusals",
	"TestUnknownRefusalIsUnresolved",
	"TestWithoutANumberTheOrdersIsIt",
	"TestTradeNo",
	"TestAnswerToAnotherRefund",
	"TestAnswerWithASmallerFee",
	"TestClientThatHangsUp",
	"TestQueryThatDoesNotMatchProvesNothing",
	"TestAnAnswerEndsItsSend",
	"TestAnotherRefundsAnswerTeachesNothing",
	"TestUnsentQuestionSettlesNothing",
	"TestNoticeOfADiscordantNumber",
	"TestFailedHereRefundedElsewhere",
	"TestRefusalAfterAnInconclusiveAnswer",
	"TestNoticeThatOvertakesAnotherAmount",
	"TestAppAuthToken",
	"TestMerchantsTokenIsFetched",
	"TestRunSettlesWhatACallLeft",
	"TestNodeIsVerbatim",
	"TestNodeInAnotherCharset",
	"TestHeadless",
}

// childFlags are how the other packages are tested besides.
var childFlags []string

func TestOverV3(t *testing.T) {
	pattern := "^(" + strings.Join(overV3Too, "|") + ")$"
	args := append([]string{"test", "-v", "-count=1", "-run", pattern}, childFlags...)
	command := exec.CommandContext(t.Context(), "go", append(args, ".", "./engine", "-v3")...)
	command.Dir = "../../.."
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range overV3Too {
		if !strings.Contains(string(out), "--- PASS: "+name+" ") {
			t.Errorf("%s did not run", name)
		}
	}
}

// Version 3 signs no refusal of its own: one that quotes the request and its
// token is shown without them, asks for attention, and settles nothing.
func TestGatewaysRefusalOverV3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Protocol = gateway.V3 })
		s.Trade()
		right := s.Config.App.Signer
		s.Config.App.Signer = shoptest.NewKey(t)
		s.Restart()
		body := shoptest.Partly[:len(shoptest.Partly)-1] + `,"app_auth_token":"secret-token"}`
		r := s.Refund(body)
		s.Expect(r, 202, "pending")
		if !strings.Contains(r.Str("attention"), "40002 invalid-signature") {
			t.Errorf("attention: %s", r.Text)
		}
		if record := s.Get(r.Str("id")); strings.Contains(record.Text+r.Text, "secret-token") {
			t.Errorf("the token is kept: %s", record.Text)
		}
		s.ExpectTold("refund_unresolved")
		s.ExpectMoved("")
		time.Sleep(time.Minute)
		s.Config.App.Signer = right
		s.Restart()
		s.Expect(s.Refund(body), 200, "succeeded")
		s.ExpectTold("refund_unresolved refund_succeeded")
		s.ExpectMoved("R1=8.88")
	})
}

// By version 3 trades go to their paths, and red packets to gateway.do.
func TestWhatGoesByV3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Protocol = gateway.V3 })
		s.Trade()
		paths := &noting{RoundTripper: s.Config.HTTPClient.Transport}
		s.Config.HTTPClient = &http.Client{Transport: paths}
		s.Restart()
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
		s.Expect(s.Refund(shoptest.Numbered("R2", "1.00")), 200, "succeeded")
		s.Expect(s.Coupon(s.Packet("C1", "")), 200, "succeeded")
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

// overV3 is a client of the fake in its mode, by version 3.
func overV3(t *testing.T, alipay *alipaytest.Alipay, c alipaytest.Config) *gateway.Client {
	t.Helper()
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
		if config.ContentKey, err = signer.ContentKeyFromBase64(c.ContentKey); err != nil {
			t.Fatal(err)
		}
	}
	client, err := gateway.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
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
			client := overV3(t, alipay, c)
			alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order})
			change := "Y"
			for range 3 {
				r := gateway.TradeRefund{OutTradeNo: shoptest.Order, OutRequestNo: "R1", RefundAmount: 1_00}
				if answer, err := client.RefundTrade(t.Context(), r, gateway.Options{}); err != nil || answer.FundChange != change {
					t.Fatalf("fund_change %q, want %q: %v", answer.FundChange, change, err)
				}
				q := gateway.RefundQuery{OutTradeNo: shoptest.Order, OutRequestNo: "R1"}
				answer, err := client.QueryRefund(t.Context(), q, gateway.Options{})
				want := gateway.Want{OutTradeNo: shoptest.Order, OutRequestNo: "R1", Amount: 1_00}
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
