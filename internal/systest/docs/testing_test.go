package docs_test

import (
	"context"
	"go/constant"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
	module *alirefund.Module
	told   int
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
		HTTPClient: alipay.HTTPClient(), // in memory; on a socket: url, stop, err := alipay.Listen("127.0.0.1:0")
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
	s.module = m
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
	if n := alipay.Notices(); len(n) != 1 || len(n[0].Deliveries) != 2 || !n[0].Deliveries[1].Acknowledged {
		t.Errorf("notices %v", n)
	}
	if shop.told != 1 {
		t.Errorf("the hook ran %d times", shop.told)
	}
}

func TestAuditFindsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock begins on 2000-01-01, at 8:00 in China
		alipay := alipaytest.New(alipaytest.Config{})
		trade := alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 88_88})
		shop := newShop(t, alipay)
		shop.refund(`{"out_trade_no":"order-1","refund_amount":"8.88","out_request_no":"R1"}`)
		alipay.RefundAtConsole("order-1", 1_00) // nobody delivers its notice
		// What follows stands in the bill alone.
		alipay.SpoilBill(alipaytest.BillFault{
			Kind: alipaytest.BillInvents, Day: "2000-01-01", Amount: 5_00,
			OutTradeNo: "order-1", OutRequestNo: "R9", TradeNo: trade.TradeNo,
		})

		time.Sleep(48 * time.Hour) // the day is over, and the next one, too
		found, err := shop.module.Audit(t.Context(), "2000-01-01")
		if err != nil || found.Verdict != alirefund.AuditDiffers || found.Agreed != 2 {
			t.Errorf("found %+v, %v", found, err)
		}
		if found.Counts[alirefund.DiffersRecorded] != 1 || found.Counts[alirefund.DiffersUnproven] != 1 {
			t.Errorf("it differs in %v", found.Counts)
		}
		if shop.told != 2 {
			t.Errorf("the hook ran %d times", shop.told)
		}
	})
}

var goCode = regexp.MustCompile("(?s)```go\n(func .*?)```")

// The tests that docs/testing.md shows are those above, which run; in Chinese they
// differ in their comments.
func TestTheTestOfThePageRuns(t *testing.T) {
	source, err := os.ReadFile("testing_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"docs/testing.md", "docs/testing.zh-CN.md"} {
		blocks := goCode.FindAllStringSubmatch(read(t, page), -1)
		if len(blocks) != 3 {
			t.Errorf("%s has %d programs", page, len(blocks))
		}
		for _, block := range blocks {
			if !strings.Contains(comment.ReplaceAllString(string(source), ""), comment.ReplaceAllString(block[1], "")) {
				t.Errorf("%s shows what is not in testing_test.go:\n%s", page, block[1])
			}
		}
	}
}

var (
	constantDoc = regexp.MustCompile(`(?m)^\t// ([A-Z]\w+): `)
	faultRow    = regexp.MustCompile("(?m)^\\| `([A-Z]\\w+)` \\| (?:`(.+)`)? ?\\| .+ \\|$")
)

// The page lists the faults that the fake has, by their names in Go and over HTTP, and no
// other, in both languages.
func TestEveryFaultIsListed(t *testing.T) {
	values := constants(t, "alipaytest")
	known := map[string]string{}
	for _, source := range []string{"alipaytest/fault.go", "alipaytest/bill.go"} {
		for _, m := range constantDoc.FindAllStringSubmatch(read(t, source), -1) {
			n, is := constant.Int64Val(values[m[1]])
			if !is {
				t.Fatalf("%s is no constant", m[1])
			}
			if known[m[1]] = ""; !strings.HasPrefix(m[1], "Bill") {
				known[m[1]] = alipaytest.FaultKind(n).String()
			}
		}
	}
	for kind := range alipaytest.FaultKind(255) {
		name := kind.String()
		if name != "" && !strings.HasPrefix(name, "FaultKind(") && !slices.Contains(slices.Collect(maps.Values(known)), name) {
			t.Errorf("%s has no doc comment of its own", name)
		}
	}
	for _, page := range []string{"docs/testing.md", "docs/testing.zh-CN.md"} {
		listed := map[string]string{}
		for _, m := range faultRow.FindAllStringSubmatch(read(t, page), -1) {
			listed[m[1]] = m[2]
		}
		if !maps.Equal(listed, known) {
			t.Errorf("%s lists %v, known are %v", page, listed, known)
		}
	}
}

// Over a socket, too, a notice goes out by Deliver, Advance or Run, and not by itself.
func TestNoticesOverASocket(t *testing.T) {
	for name, deliver := range map[string]func(context.Context, *alipaytest.Alipay){
		"Deliver": func(ctx context.Context, alipay *alipaytest.Alipay) { alipay.Deliver(ctx) },
		"Advance": func(_ context.Context, alipay *alipaytest.Alipay) { alipay.Advance(time.Second) },
		"Run":     func(ctx context.Context, alipay *alipaytest.Alipay) { alipay.Run(ctx) },
	} {
		alipay := alipaytest.New(alipaytest.Config{})
		_, stop, err := alipay.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var posts atomic.Int32
		host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			posts.Add(1)
			_, _ = w.Write([]byte("success"))
			if name == "Run" {
				cancel()
			}
		}))
		defer host.Close()
		alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 88_88, NotifyURL: host.URL})
		alipay.RefundAtConsole("order-1", 1_00)
		if posts.Load() != 0 {
			t.Errorf("%s: it went by itself", name)
		}
		deliver(ctx, alipay)
		if posts.Load() != 1 {
			t.Errorf("%s: %d posts", name, posts.Load())
		}
	}
}

// What the pages say of the host's own route and of the fake compiles as it stands, the
// names of the host's own beside.
func TestFragmentsCompile(t *testing.T) {
	for _, language := range []string{".md", ".zh-CN.md"} {
		fragment := func(page, with string) string {
			for _, m := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, page+language), -1) {
				if strings.Contains(m[1], with) {
					return m[1]
				}
			}
			t.Fatalf("%s%s has no program with %s", page, language, with)
			return ""
		}
		fake := fragment("docs/testing", "alipaytest.New(")
		listen := regexp.MustCompile(`[\w, ]+ := alipay\.Listen\(.*\)`).FindString(fake)
		if listen == "" {
			t.Fatalf("docs/testing%s does not show Listen", language)
		}
		program := `package main

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

func main() {}

func book(string, money.Amount) {}

func payment(r *gin.Engine, m *alirefund.Module) {
` + fragment("docs/hooks", "m.Notifications()") + `}

func fake(router http.Handler) {
` + fake + `
	_, _ = m, err
}

func socket(alipay *alipaytest.Alipay) (string, func(), error) {
	` + listen + `
	return url, stop, err
}
`
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
			t.Fatal(err)
		}
		build := exec.CommandContext(t.Context(), "go", "vet", filepath.Join(dir, "main.go"))
		build.Dir = top
		build.Env = append(os.Environ(), "GOWORK=off")
		if out, err := build.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", language, err, out)
		}
	}
}
