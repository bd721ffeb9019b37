package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

// running is the command, reached over HTTP as an application in another language
// reaches it.
type running struct {
	t    *testing.T
	text string // what it said at its start
	keys string // the folder of its keys
	base string
}

// startFake runs the command until the test ends.
func startFake(t *testing.T, args ...string) *running {
	t.Helper()
	f := &running{t: t, keys: filepath.Join(t.TempDir(), "keys")}
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, append([]string{"fake", "-addr", "127.0.0.1:0", "-keys", f.keys}, args...), streams{strings.NewReader(""), in, in})
		_ = in.Close()
		ended <- code
	}()
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "listens") {
		f.text += lines.Text() + "\n"
		if rest, ok := strings.CutPrefix(lines.Text(), "control "); ok {
			f.base = strings.TrimSuffix(strings.TrimSpace(rest), "/fake/")
		}
	}
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("it ended with %d", code)
		}
	})
	if f.base == "" {
		t.Fatalf("it printed %q", f.text)
	}
	return f
}

func (f *running) key(name string) string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.keys, name))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// do asks the control, and returns the status and the body.
func (f *running) do(method, path, body string, header ...string) (int, string) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.base+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// says posts to the control, which must take it.
func (f *running) says(path, body string) string {
	f.t.Helper()
	status, text := f.do(http.MethodPost, "/fake/"+path, body)
	if status != http.StatusOK {
		f.t.Fatalf("%s %s is answered %d %s", path, body, status, text)
	}
	return text
}

func (f *running) client() *gateway.Client {
	f.t.Helper()
	sign, err := signer.FromPEM(f.key(fakeFiles.appPrivate))
	if err != nil {
		f.t.Fatal(err)
	}
	client, err := gateway.New(gateway.Config{AppID: "2021000000000001", Signer: sign, Verifier: f.verifier(), URL: f.base + "/gateway.do"})
	if err != nil {
		f.t.Fatal(err)
	}
	return client
}

func (f *running) verifier() *signer.Verifier {
	f.t.Helper()
	verify, err := signer.VerifierFromPEM(f.key(fakeFiles.alipayPublic))
	if err != nil {
		f.t.Fatal(err)
	}
	return verify
}

// An application refunds a trade that the control added, loses an answer that it
// asked to be lost, and gets the notices over HTTP; what moved stands in the books.
func TestFakeServesAnApplication(t *testing.T) {
	t.Parallel()
	notices := make(chan string, 8)
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		notices <- string(body)
		_, _ = io.WriteString(w, "success")
	}))
	defer shop.Close()
	f := startFake(t, "-notify-url", shop.URL+"/notify")
	f.says("trades", `{"out_trade_no":"order-1","total_amount":"88.88"}`)
	f.says("faults", `{"kind":"lost answer"}`)
	client := f.client()
	refund := gateway.TradeRefund{OutTradeNo: "order-1", OutRequestNo: "R1", RefundAmount: 8_88}
	if answer, err := client.RefundTrade(t.Context(), refund, gateway.Options{}); err == nil {
		t.Errorf("the answer was to be lost: %+v", answer)
	}
	if answer, err := client.RefundTrade(t.Context(), refund, gateway.Options{}); err != nil || answer.FundChange != "N" {
		t.Errorf("repeated: %+v, %v", answer, err)
	}
	if n, err := notify.Open(within(t, notices), f.verifier()); err != nil || n.OutTradeNo() != "order-1" {
		t.Errorf("the notice: %v", err)
	}
	_, text := f.do(http.MethodGet, "/fake/movements", "")
	var moved []struct{ Amount, OutRequestNo string }
	if err := json.Unmarshal([]byte(strings.ReplaceAll(text, "out_request_no", "outRequestNo")), &moved); err != nil || len(moved) != 1 || moved[0].Amount != "8.88" || moved[0].OutRequestNo != "R1" {
		t.Errorf("moved: %s", text)
	}
	if _, text := f.do(http.MethodGet, "/fake/calls", ""); !strings.Contains(text, `"fault":"lost answer"`) || strings.Count(text, `"method":"alipay.trade.refund"`) != 2 {
		t.Errorf("calls: %s", text)
	}
	f.says("console-refunds", `{"out_trade_no":"order-1","amount":"1.00"}`)
	n, err := notify.Open(within(t, notices), f.verifier())
	if err != nil {
		t.Fatal(err)
	}
	if fee, known := n.RefundFee(); fee != 9_88 || !known {
		t.Errorf("the notice of the console's says %s", fee)
	}
	acknowledged := 0
	for until := time.Now().Add(20 * time.Second); acknowledged != 2 && time.Now().Before(until); { // the answer is on its way
		_, text = f.do(http.MethodGet, "/fake/notices", "")
		acknowledged = strings.Count(text, `"acknowledged":true`)
	}
	if acknowledged != 2 {
		t.Errorf("notices: %s", text)
	}
}

// within waits for a notice.
func within(t *testing.T, notices <-chan string) []byte {
	t.Helper()
	select {
	case body := <-notices:
		return []byte(body)
	case <-time.After(20 * time.Second):
		t.Fatal("no notice came")
		return nil
	}
}

// What the control is told wrongly, it says, and the fake goes on.
func TestFakeControlRefuses(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	f.says("trades", `{"out_trade_no":"order-1"}`)
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"trades", `{"out_trade_no":"order-1"}`, 409, "order-1"},
		{"trades", `{}`, 400, "out_trade_no is required"},
		{"trades", `{"out_trade_no":"2","total":"1"}`, 400, "total"},
		{"trades", `{"out_trade_no":"2","notify_url":"shop"}`, 400, "http or https URL"},
		{"trades", `x`, 400, "JSON object"},
		{"payments", `{"out_trade_no":"none"}`, 409, "none"},
		{"deposit-backs", `{"out_trade_no":"order-1","out_request_no":"none"}`, 409, "none"},
		{"faults", `{"kind":"bad luck"}`, 400, "lost answer"},
		{"faults", `{"kind":"connection refused"}`, 400, "kind must be one of"},
		{"faults", `{"kind":"slow","delay":"long"}`, 400, "such as 3s"},
		{"clock", `{"advance":"-1h"}`, 400, "such as 25h"},
		{"certificates/rotate", `{}`, 400, "-certificates"},
	} {
		if status, text := f.do(http.MethodPost, "/fake/"+c.path, c.body); status != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%s %s is answered %d %s, want %d saying %q", c.path, c.body, status, text, c.status, c.says)
		}
	}
	// A form is what a page in somebody's browser can post without being asked.
	if status, _ := f.do(http.MethodPost, "/fake/trades", `{"out_trade_no":"2"}`, "Content-Type", "text/plain"); status != http.StatusUnsupportedMediaType {
		t.Errorf("a form is answered %d", status)
	}
	if status, _ := f.do(http.MethodGet, "/fake/trades", ""); status != http.StatusNotFound {
		t.Errorf("what cannot be read is answered %d", status)
	}
	if _, text := f.do(http.MethodGet, "/fake/", ""); !strings.Contains(text, `"red-packets"`) || strings.Contains(text, "PRIVATE") {
		t.Errorf("the index: %s", text)
	}
	f.says("red-packets", `{"auth_no":"A1","amount":"8.88"}`)
	f.says("pre-authorisations", `{"auth_no":"A2"}`)
	f.says("clock", `{"advance":"49h"}`)
	if _, text := f.do(http.MethodGet, "/fake/movements", ""); !strings.Contains(text, "automatic return") {
		t.Errorf("the red packet did not come back: %s", text)
	}
}

// The keys are named as what they are for; without a folder they are printed, so.
func TestFakeMarksItsKeys(t *testing.T) {
	t.Parallel()
	f := startFake(t, "-certificates")
	files, err := filepath.Glob(filepath.Join(f.keys, "*"))
	if err != nil || len(files) != 5 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 || !strings.HasPrefix(filepath.Base(name), "test-only-") {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if _, err := signer.VerifierFromCertificates(f.key(fakeFiles.alipay), f.key(fakeFiles.root)); err != nil {
		t.Error(err)
	}
	if rotated := f.says("certificates/rotate", `{}`); !strings.Contains(rotated, "BEGIN CERTIFICATE") {
		t.Errorf("rotated: %s", rotated)
	}
	if strings.Contains(f.text, "PRIVATE") || !strings.Contains(f.text, "For tests only") {
		t.Errorf("it printed %s", f.text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if code := run(ctx, []string{"fake", "-addr", "127.0.0.1:0"}, streams{nil, &out, &out}); code != 0 && !strings.Contains(out.String(), "canceled") {
		t.Errorf("%d %s", code, out.String())
	}
}

func TestFakeRefusesFlags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"help":          {[]string{"-h"}, 0, "for tests"},
		"an argument":   {[]string{"now"}, 2, "unexpected"},
		"no URL":        {[]string{"-notify-url", "shop"}, 2, "-notify-url wants"},
		"no key":        {[]string{"-content-key", "x"}, 2, "key"},
		"no address":    {[]string{"-addr", "nowhere"}, 2, "-addr"},
		"no such place": {[]string{"-addr", "127.0.0.1:0", "-keys", "/dev/null/x"}, 2, "-keys"},
	} {
		code, out, errs := alirefund(t, "", append([]string{"fake"}, c.args...)...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("%s: %d %s%s", name, code, out, errs)
		}
	}
}

// The pages name all that the control takes and every flag, and their lines are taken.
func TestFakeIsAsThePagesSay(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	_, help, _ := alirefund(t, "", "fake", "-h")
	line := regexp.MustCompile(`(?m)^\$ curl -sS \$FAKE/(\S+)(?: -H 'Content-Type: application/json' -d '(.*)')?$`)
	for n, name := range []string{"testing.md", "testing.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join("../../docs", name))
		if err != nil {
			t.Fatal(err)
		}
		page := string(text)
		c := &control{}
		for _, path := range slices.Concat(slices.Collect(maps.Keys(c.posts())), slices.Collect(maps.Keys(c.gets()))) {
			if !strings.Contains(page, "`POST "+path+"`") && !strings.Contains(page, "`GET "+path+"`") && !strings.Contains(page, "`"+path+"`") {
				t.Errorf("%s does not say %s", name, path)
			}
		}
		for _, flag := range regexp.MustCompile(`(?m)^  (-\S+)`).FindAllStringSubmatch(help, -1) {
			if !strings.Contains(page, "`"+flag[1]+"`") {
				t.Errorf("%s does not say %s", name, flag[1])
			}
		}
		lines := line.FindAllStringSubmatch(page, -1)
		if len(lines) != 3 {
			t.Errorf("%s has %d lines", name, len(lines))
		}
		for _, l := range lines {
			body, method := strings.Replace(l[2], "order-1", fmt.Sprint("order-", n), 1), http.MethodGet
			if body != "" {
				method = http.MethodPost
			}
			if status, text := f.do(method, "/fake/"+l[1], body); status != http.StatusOK {
				t.Errorf("%s: %s is answered %d %s", name, l[0], status, text)
			}
		}
	}
}
