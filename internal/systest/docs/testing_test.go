package docs_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// shop is a host's application, as small as it can be.
type shop struct {
	*gin.Engine
	told int
}

func newShop(t *testing.T, alipay *alipaytest.Alipay) *shop {
	s := &shop{Engine: gin.New()}
	sign, err := signer.FromPEM(alipay.AppPrivateKey())
	if err != nil {
		t.Fatal(err)
	}
	verify, err := signer.VerifierFromPEM(alipay.AlipayPublicKey())
	if err != nil {
		t.Fatal(err)
	}
	m, err := alirefund.New(alirefund.Config{
		App:        alirefund.App{ID: alipay.AppID(), Signer: sign, Verifier: verify},
		Store:      store.NewMemory(),
		Gateway:    alipaytest.GatewayURL,
		HTTPClient: alipay.HTTPClient(), // in memory; alipay.Listen serves a socket instead
		OnRefundSucceeded: func(context.Context, alirefund.RefundSucceeded) error {
			s.told++
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.MountRefunds(s.Group("/alipay"), alirefund.AlreadyProtected)
	m.MountNotify(s.Group("/alipay"))
	return s
}

func (s *shop) refund(body string) {
	r := httptest.NewRequest(http.MethodPost, "/alipay/refunds", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	s.ServeHTTP(httptest.NewRecorder(), r)
}

func TestRefundedOnce(t *testing.T) {
	alipay := alipaytest.New(alipaytest.Config{})
	alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 88_88, NotifyURL: "http://shop.test/alipay/notify"})
	shop := newShop(t, alipay) // your router, your hooks
	alipay.HandleNotices(shop)

	alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.NoticeTwice})
	shop.refund(`{"out_trade_no":"order-1","refund_amount":"8.88","out_request_no":"R1"}`)
	alipay.Advance(25 * time.Hour) // Alipay's whole schedule, without waiting

	if moved := alipay.Movements(); len(moved) != 1 || moved[0].Amount != 8_88 {
		t.Errorf("moved %v", moved)
	}
	if shop.told != 1 {
		t.Errorf("the hook ran %d times", shop.told)
	}
}

var goCode = regexp.MustCompile("(?s)```go\n(func .*?)```")

// The test that docs/testing.md shows is the one above, which runs; in Chinese it
// differs in its comments.
func TestTheTestOfThePageRuns(t *testing.T) {
	source, err := os.ReadFile("testing_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"docs/testing.md", "docs/testing.zh-CN.md"} {
		blocks := goCode.FindAllStringSubmatch(read(t, page), -1)
		if len(blocks) != 2 {
			t.Errorf("%s has %d programs", page, len(blocks))
		}
		for _, block := range blocks {
			if !strings.Contains(comment.ReplaceAllString(string(source), ""), comment.ReplaceAllString(block[1], "")) {
				t.Errorf("%s shows what is not in testing_test.go:\n%s", page, block[1])
			}
		}
	}
}
