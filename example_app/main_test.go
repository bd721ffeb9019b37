package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
)

// asProgram makes the test binary the program itself, for tests of signals and
// exit codes.
const asProgram = "EXAMPLE_APP_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	m.Run()
}

const testToken = "staff-of-the-test"

// app is the program, running and reached over HTTP as anybody reaches it.
type app struct {
	t    *testing.T
	base string // its URL
	text string // what it said at its start
	stop func() error
}

// start runs the program on a free port, until the test ends or stops it.
func start(t *testing.T, args ...string) *app {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-addr", "127.0.0.1:0", "-staff-token", testToken}, args...), noEnv, in)
		_ = in.CloseWithError(err)
		ended <- err
	}()
	a := &app{t: t, stop: sync.OnceValue(func() error { cancel(); return <-ended })}
	t.Cleanup(func() {
		if err := a.stop(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	a.text, a.base = startUp(t, out)
	return a
}

func noEnv(string) string { return "" }

// startUp reads the start-up text to its end, which names the address, and
// leaves the rest of out to nobody.
func startUp(t *testing.T, out io.Reader) (text, base string) {
	t.Helper()
	lines := bufio.NewReader(out)
	for base == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("it ended in its start: %v\n%s", err, text)
		}
		text += line
		if rest, ok := strings.CutPrefix(line, "The shop listens at "); ok {
			base, _, _ = strings.Cut(rest, " ")
		}
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return text, base
}

// startWith runs the program against a fake Alipay of the test's own, as against
// the real one: over the network, with keys in files.
func startWith(t *testing.T, gateway func(http.Handler) http.Handler, args ...string) (*app, *alipaytest.Alipay) {
	t.Helper()
	fake, flags := account(t, gateway)
	return start(t, append(flags, args...)...), fake
}

// account returns a fake Alipay and the flags that lead to it.
func account(t *testing.T, gateway func(http.Handler) http.Handler) (*alipaytest.Alipay, []string) {
	t.Helper()
	fake := alipaytest.New(alipaytest.Config{})
	handler := http.Handler(fake)
	if gateway != nil {
		handler = gateway(fake)
	}
	return fake, []string{
		"-gateway", listenAndServe(t, handler) + "/gateway.do",
		"-app-id", fake.AppID(),
		"-private-key", file(t, "app.pem", fake.AppPrivateKey()),
		"-alipay-public-key", file(t, "alipay.txt", fake.AlipayPublicKey()),
	}
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reply is an answer of the shop's.
type reply struct {
	status int
	header http.Header
	text   string
	body   map[string]any // if it is an object
}

func (r reply) str(name string) string {
	text, _ := r.body[name].(string)
	return text
}

func (a *app) do(method, path, body, authorization string) reply {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.base+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return exchange(a.t, r)
}

func exchange(t *testing.T, r *http.Request) reply {
	t.Helper()
	response, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := reply{status: response.StatusCode, header: response.Header, text: string(text)}
	if bytes.HasPrefix(text, []byte("{")) {
		if err := json.Unmarshal(text, &answer.body); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	return answer
}

func (a *app) refund(body string) reply {
	a.t.Helper()
	return a.do(http.MethodPost, "/alipay/refunds", body, "Bearer "+testToken)
}

func (a *app) coupon(body string) reply {
	a.t.Helper()
	return a.do(http.MethodPost, "/alipay/coupon-refunds", body, "Bearer "+testToken)
}

func (a *app) expect(r reply, status int, state string) {
	a.t.Helper()
	if r.status != status || r.str("state") != state {
		a.t.Fatalf("answered %d %q, want %d %q: %s", r.status, r.str("state"), status, state, r.text)
	}
}

// events returns what GET /events lists.
func (a *app) events() []event {
	a.t.Helper()
	r := a.do(http.MethodGet, "/events", "", "Bearer "+testToken)
	if r.status != http.StatusOK {
		a.t.Fatalf("GET /events: %d %s", r.status, r.text)
	}
	var events []event
	if err := json.Unmarshal([]byte(r.text), &events); err != nil || events == nil {
		a.t.Fatalf("GET /events is no array of events: %v: %s", err, r.text)
	}
	return events
}

// expectEvents compares the events, each written by [brief].
func (a *app) expectEvents(want ...string) {
	a.t.Helper()
	events := a.events()
	var got []string
	for _, e := range events {
		got = append(got, brief(e))
		if since := time.Since(e.At); e.ID == "" || since < 0 || since > time.Minute {
			a.t.Errorf("event without an id, or of another time: %+v", e)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		a.t.Fatalf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// brief writes an event without its id and time, which differ from run to run.
func brief(e event) string {
	number := e.OutTradeNo
	if number == "" {
		number = e.AuthNo
	}
	return strings.Join([]string{string(e.Event), string(e.Kind), number, e.OutRequestNo, e.Amount, string(e.Source)}, " ")
}

// soon ends what should have ended by itself.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for something that happens in the background.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	ctx := soon(t)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("in 30 s there was no %s", what)
		}
	}
}
