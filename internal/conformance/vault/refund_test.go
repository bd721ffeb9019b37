package vault_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	m.Run()
}

// shop is an application whose key is in a vault. The fake Alipay knows the
// public half, and nothing else of it.
type shop struct {
	*alirefund.Module
	alipay *alipaytest.Alipay
	mu     sync.Mutex
	told   []string // the refunds that the hook heard of
}

func open(t *testing.T, sign *signer.Signer, certificates bool) *shop {
	t.Helper()
	public, err := x509.MarshalPKIXPublicKey(sign.Public())
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{alipay: alipaytest.New(alipaytest.Config{AppPublicKey: base64.StdEncoding.EncodeToString(public), Certificates: certificates})}
	verify, err := signer.VerifierFromPEM(s.alipay.AlipayPublicKey())
	if certificates {
		verify, err = signer.VerifierFromCertificates(s.alipay.AlipayCertificate(), s.alipay.RootCertificates())
		if err == nil {
			sign, err = sign.WithCertificate(s.alipay.AppCertificate())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Module, err = alirefund.New(alirefund.Config{
		App:     alirefund.App{ID: s.alipay.AppID(), Signer: sign, Verifier: verify, NotifyURL: "http://shop.test/notify"},
		Store:   store.NewMemory(),
		Gateway: alipaytest.GatewayURL, HTTPClient: s.alipay.HTTPClient(),
		OnRefundSucceeded: func(_ context.Context, e alirefund.RefundSucceeded) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.told = append(s.told, e.Refund.OutTradeNo)
			return nil
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// refund refunds orders at once, and wants each to succeed, and to be told.
func (s *shop) refund(t *testing.T, orders int) {
	t.Helper()
	var each sync.WaitGroup
	for n := range orders {
		order := fmt.Sprint("order ", n)
		s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 1_00})
		each.Go(func() {
			result, err := s.Refund(t.Context(), alirefund.RefundRequest{OutTradeNo: order, RefundAmount: 1_00})
			if err != nil || result.Refund.State != store.Succeeded {
				t.Errorf("%s: %s, %v", order, result.Refund.State, err)
			}
		})
	}
	each.Wait()
	if moved := len(s.alipay.Movements()); moved != orders || len(s.told) != orders {
		t.Errorf("money moved %d times, and %d refunds were told; want %d", moved, len(s.told), orders)
	}
}

// missing ends a test for which something is not installed: in continuous
// integration that is a failure, and elsewhere too, unless somebody asked for less.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "true" && os.Getenv("ALIREFUND_CONFORMANCE_SKIP") == "1" {
		t.Skip(what)
	}
	t.Fatalf("%s (ALIREFUND_CONFORMANCE_SKIP=1 leaves it out)", what)
}

var program = regexp.MustCompile("(?s)```go\n(.*?)```")

// What docs/keys.md shows of vaults is what is tested here.
func TestTheDocumentQuotesTheTests(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	_, section, found := strings.Cut(read("../../../docs/keys.md"), "\n## Keys that never leave their vault\n")
	section, _, _ = strings.Cut(section, "\n## ")
	quoted := program.FindAllStringSubmatch(section, -1)
	if !found || len(quoted) != 3 {
		t.Fatalf("docs/keys.md quotes %d programs; want 3", len(quoted))
	}
	tested := read("token_test.go") + read("kms_test.go")
	for _, q := range quoted {
		if !strings.Contains(tested, strings.TrimSuffix(q[1], "\n")) {
			t.Errorf("this is tested nowhere:\n%s", q[1])
		}
	}
}
