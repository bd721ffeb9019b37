package shoptest

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
)

const MethodDownload = "alipay.open.app.alipaycert.download"

// ExpectRefunds makes n refunds at once, each of which succeeds at once.
func (s *Shop) ExpectRefunds(name string, n int) {
	s.T.Helper()
	var all sync.WaitGroup
	for i := range n {
		number := fmt.Sprintf("%s-%d", name, i)
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: number, Total: 1_00})
		all.Go(func() {
			r := s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"1.00"}`, number))
			if r.Status != http.StatusOK || r.Body["delivered"] != true {
				s.T.Errorf("%s: %d %s", number, r.Status, r.Text)
			}
		})
	}
	all.Wait()
}

// Number returns the number of the first certificate in a text.
func Number(t *testing.T, text string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	return signer.CertificateSN(Must(x509.ParseCertificate(block.Bytes)))
}
