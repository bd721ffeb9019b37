package alipaysdk_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is alirefund fake, running as a program, and how the SDK is set up for it:
// by what it prints and the files that it writes alone.
type program struct {
	t       *testing.T
	control string
	config  config
}

// run builds and starts alirefund fake, until the test ends.
func run(t *testing.T, notifyURL string, more ...string) program {
	t.Helper()
	binary, keys := filepath.Join(t.TempDir(), "alirefund"), t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/alirefund/alirefund/cmd/alirefund").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	command := exec.Command(binary, append([]string{"fake", "-addr", "127.0.0.1:0", "-keys", keys, "-notify-url", notifyURL}, more...)...)
	command.Stderr = os.Stderr
	out := must(command.StdoutPipe())
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGINT)
		if err := command.Wait(); err != nil {
			t.Errorf("it ended: %v", err)
		}
	})
	said := map[string]string{}
	for lines := bufio.NewScanner(out); lines.Scan() && !strings.Contains(lines.Text(), "listens"); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		said[name] = strings.TrimSpace(value)
	}
	gateway, _, _ := strings.Cut(said["gateway"], ",")
	read := func(name string) string { return string(must(os.ReadFile(filepath.Join(keys, name)))) }
	p := program{t, said["control"], config{
		"appId": said["app_id"], "privateKey": read("test-only-app-private-key.pem"), "keyType": "PKCS8",
		"gateway": gateway, "endpoint": strings.TrimSuffix(gateway, "/gateway.do"), "camelcase": false,
	}}
	if len(more) == 0 {
		p.config["alipayPublicKey"] = strings.TrimSpace(read("test-only-alipay-public-key.txt"))
		return p
	}
	p.config["appCertContent"] = read("test-only-app-certificate.crt")
	p.config["alipayPublicCertContent"] = read("test-only-alipay-certificate.crt")
	p.config["alipayRootCertContent"] = read("test-only-alipay-roots.crt")
	return p
}

// say posts to the control.
func (p program) say(path, body string) {
	p.t.Helper()
	r := must(http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.control+path, strings.NewReader(body)))
	r.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		p.t.Fatalf("%s %s: %d %s", path, body, response.StatusCode, text)
	}
}

// An application in another language refunds at alirefund fake: the SDK accepts the
// answers by versions 2 and 3, loses one that is to be lost, and accepts the notices
// that come over HTTP.
func TestTheSDKUsesTheProgram(t *testing.T) {
	s := start(t, china)
	for name, more := range map[string][]string{"keys": nil, "certificates": {"-certificates"}} {
		t.Run(name, func(t *testing.T) {
			notices := make(chan string, 8)
			shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				notices <- string(body)
				_, _ = io.WriteString(w, "success")
			}))
			defer shop.Close()
			p := run(t, shop.URL+"/notify", more...)
			p.say("trades", `{"out_trade_no":"order","total_amount":"10.00"}`)

			refund := node{"out_trade_no": "order", "out_request_no": "R1", "refund_amount": "1.00"}
			var answer node
			p.say("faults", `{"kind":"lost answer"}`)
			// Its HTTP client repeats by itself what was not answered, and this one moved
			// nothing more.
			if err := s.call(t, p.config, &answer, "exec", "alipay.trade.refund", node{"bizContent": refund}, node{"validateSign": true}); err != nil || answer["fund_change"] != "N" {
				t.Errorf("the first answer was to be lost: %v, %v", answer, err)
			}
			query := node{"out_trade_no": "order", "out_request_no": "R1"}
			if err := s.call(t, p.config, &answer, "exec", "alipay.trade.fastpay.refund.query", node{"bizContent": query}, node{"validateSign": true}); err != nil || answer["refund_status"] != "REFUND_SUCCESS" {
				t.Errorf("by version 2: %v, %v", answer, err)
			}
			var got struct{ Data node }
			refund["out_request_no"] = "R2"
			if err := s.call(t, p.config, &got, "curl", "/v3/alipay/trade/refund", node{"body": refund}); err != nil || got.Data["fund_change"] != "Y" {
				t.Errorf("by version 3: %v, %v", got.Data, err)
			}
			for range 2 {
				select {
				case body := <-notices:
					if !s.check(t, p.config, "checkNotifySignV2", body) {
						t.Errorf("the SDK refuses %s", body)
					}
				case <-time.After(time.Minute):
					t.Fatal("no notice came")
				}
			}
		})
	}
}
