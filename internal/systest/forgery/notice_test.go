package forgery_test

import (
	"net/http"
	"testing"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// hostileNotice is one row: how a notice that nobody should believe is made of
// the genuine one, as a body or as a whole request, and what answers it.
type hostileNotice struct {
	named
	mode    alipaytest.Config // default: keys, and nothing encrypted
	base    map[string]string // the genuine one; default: of the refund that waits
	body    func(shoptest.Forger) string
	request func(f shoptest.Forger, path string) *http.Request
	status  int
	code    string // of the problem; "" where gin itself answers
}

// waiting returns a shop with a refund whose answer was lost, where notices come
// to the module's route and to the host's own.
func waiting(t *testing.T, mode alipaytest.Config) (*shoptest.Shop, *shoptest.Host, *shoptest.Counter) {
	t.Helper()
	claims := &shoptest.Counter{Method: "Claim"}
	s := shoptest.NewShopOf(t, mode, func(c *alirefund.Config) {
		c.Store = &shoptest.FaultStore{Store: c.Store, Around: claims.Around}
		c.App.SellerIDs = []string{"2088000000000001"}
	})
	if !mode.Certificates {
		s.TrustInsider()
		s.Restart()
	}
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, shoptest.NoQuery)
	s.Expect(s.Refund(shoptest.Partly), 202, "pending")
	s.ExpectTold("")
	return s, s.Host(), claims
}
