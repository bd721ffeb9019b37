package alipaysdk_test

import (
	"errors"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
)

func refusalV3(t *testing.T, s *sdk) {
	p := withOrder(t)
	tooMuch := node{"out_trade_no": "order", "out_request_no": "R1", "refund_amount": "1000.00"}
	p.Inject(alipaytest.Fault{Kind: alipaytest.WrongSignature}, alipaytest.Fault{Kind: alipaytest.WrongSignature})
	var thrown *failure
	if err := s.call(t, p.config, nil, "curl", "/v3/alipay/trade/refund", node{"body": tooMuch}); !errors.As(err, &thrown) || thrown.Code != "ACQ.REASON_TRADE_REFUND_FEE_ERR" {
		t.Errorf("a refusal with a wrong signature gives %v; it used to be believed", err)
	}
	var refused *gateway.Error
	if _, err := must(gatewayV3(p)).Do(noContext, refund, tooMuch, options{}); !errors.As(err, &refused) || refused.Signed {
		t.Errorf("ours: %v; want one that is not signed", err)
	}
}

func newCertificateV3(t *testing.T, s *sdk) {
	p := open(t, alipaytest.Config{Certificates: true})
	p.AddTrade(alipaytest.Trade{OutTradeNo: "order"})
	client := must(gatewayV3(p))
	p.RotateCertificate()
	var thrown *failure
	if err := s.call(t, p.config, nil, "curl", "/v3/alipay/trade/query", node{"body": node{"out_trade_no": "order"}}); !errors.As(err, &thrown) || thrown.Code != "response-alipay-sn-verify-error" {
		t.Errorf("after a new certificate for the same key: %v; the SDK used to stop working", err)
	}
	p.RotateCertificateAndKey()
	if reply, err := client.Do(noContext, "alipay.trade.query", node{"out_trade_no": "order"}, options{}); err != nil || !reply.Signed {
		t.Errorf("ours, after a new key: %v", err)
	}
}

func gatewayV3(p party) (*gateway.Client, error) {
	return gateway.New(gateway.Config{
		AppID: p.AppID(), Signer: signerOf(p), Verifier: verifierOf(p), ContentKey: p.contentKey(),
		URL: alipaytest.GatewayURL, HTTP: p.HTTPClient(), Protocol: gateway.V3,
	})
}
