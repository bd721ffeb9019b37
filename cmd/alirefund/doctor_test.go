package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
)

// examine runs doctor both ways, and checks that they agree, that the exit code
// says what was found, and that no secret is printed.
func examine(t *testing.T, o outside, args ...string) []finding {
	t.Helper()
	var out, errs bytes.Buffer
	code, err := o.doctor(t.Context(), append(args, "-json"), streams{strings.NewReader(""), &out, &errs})
	if err != nil {
		t.Fatal(err)
	}
	var found []finding
	if err := json.Unmarshal(out.Bytes(), &found); err != nil || len(found) == 0 || strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("%v: %s", err, out.String())
	}
	var text bytes.Buffer
	textCode, err := o.doctor(t.Context(), args, streams{strings.NewReader(""), &text, &errs})
	if err != nil || textCode != code || errs.Len() > 0 {
		t.Errorf("%d as JSON, %d as text: %v%s", code, textCode, err, errs.String())
	}
	ill := 0
	for _, f := range found {
		if f.Status != codes[f.Code].status || f.Check == "" || f.Message == "" {
			t.Errorf("%+v", f)
		}
		if f.Status == isError {
			ill = 1
		}
		if !strings.Contains(text.String(), f.Check) || f.Status != isOK && !strings.Contains(text.String(), string(f.Code)) {
			t.Errorf("%s %s is not in the text: %s", f.Check, f.Code, text.String())
		}
	}
	if code != ill {
		t.Errorf("exit code %d: %s", code, text.String())
	}
	noSecrets(t, args, out.String()+text.String())
	return found
}

// noSecrets looks for the lines of the secret files. A private key's file begins
// with the public half, which is no secret.
func noSecrets(t *testing.T, args []string, printed string) {
	t.Helper()
	for i, arg := range args {
		if arg != "-app-private-key" && arg != "-content-key" {
			continue
		}
		secret, err := os.ReadFile(args[i+1])
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(secret), "\n")
		for _, line := range lines[min(8, len(lines)/2):] {
			if line = strings.TrimSpace(line); len(line) > 16 && strings.Contains(printed, line[:16]) && !strings.HasPrefix(line, "-----") {
				t.Errorf("%s is printed: %s", arg, printed)
			}
		}
	}
}

// expect wants one finding, besides those that are fine or skipped.
func expect(t *testing.T, found []finding, check string, c code, message string) finding {
	t.Helper()
	var bad []finding
	for _, f := range found {
		if f.Status == isError || f.Status == isWarning {
			bad = append(bad, f)
		}
	}
	if len(bad) != 1 || bad[0].Check != check || bad[0].Code != c || !strings.Contains(bad[0].Message, message) {
		t.Fatalf("%+v, want %s %s with %q", bad, check, c, message)
	}
	if bad[0].Advice == "" {
		t.Errorf("%s comes without advice", c)
	}
	return bad[0]
}

// healthy wants all of the checks to be fine, and none to find anything.
func healthy(t *testing.T, found []finding, checks ...string) {
	t.Helper()
	for _, f := range found {
		if f.Status == isError || f.Status == isWarning {
			t.Errorf("%+v", f)
		}
	}
	for _, check := range checks {
		if !slices.ContainsFunc(found, func(f finding) bool { return f.Check == check && f.Code == fine }) {
			t.Errorf("%s: %+v", check, found)
		}
	}
}

// nowhere fails a test that makes a call.
func nowhere(t *testing.T) outside {
	return outside{
		lookup: func(context.Context, string, string) ([]netip.Addr, error) {
			t.Error("a name was looked up")
			return nil, errors.New("not here")
		},
		transport: roundTrip(func(*http.Request) (*http.Response, error) {
			t.Error("a call was made")
			return nil, errors.New("not here")
		}),
	}
}

// direct is the network as it is.
func direct() outside { return outside{net.DefaultResolver.LookupNetIP, http.DefaultTransport} }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// keyMode returns the flags of an application of the fake's.
func keyMode(t *testing.T, a *alipaytest.Alipay) []string {
	t.Helper()
	return []string{"-app-id", a.AppID(), "-app-private-key", write(t, "app.pem", a.AppPrivateKey()), "-alipay-public-key", write(t, "alipay.txt", a.AlipayPublicKey())}
}

func TestDoctorFindsAHealthyApplication(t *testing.T) {
	t.Parallel()
	a := alipaytest.New(alipaytest.Config{})
	address, stop, err := a.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	args := append([]string{"doctor", "-gateway", address}, keyMode(t, a)...)
	code, out, errs := alirefund(t, "", args...)
	if code != 0 || errs != "" || !strings.HasSuffix(out, "errors: 0, warnings: 0\n") || !strings.Contains(out, "ACQ.TRADE_NOT_EXIST") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	healthy(t, examine(t, direct(), args[1:]...), "app_id", checkPrivateKey, checkAlipayKey, checkMode, checkQuery, checkClock)
	if moved := a.Movements(); len(moved) > 0 {
		t.Errorf("it moved money: %v", moved)
	}
	for _, call := range a.Calls() {
		if call.Method != "alipay.trade.query" {
			t.Errorf("it called %s", call.Method)
		}
	}
}

func TestDoctorOfflineCallsNobody(t *testing.T) {
	t.Parallel()
	a := alipaytest.New(alipaytest.Config{})
	found := examine(t, nowhere(t), append(keyMode(t, a), "-offline", "-notify-url", "https://shop.example/alipay/notify")...)
	healthy(t, found, "app_id", checkPrivateKey, checkAlipayKey, checkMode, checkNotifyURL)
	for _, check := range []string{checkQuery, checkClock, checkNotify} {
		if !slices.ContainsFunc(found, func(f finding) bool { return f.Check == check && f.Code == offline && f.Status == isSkipped }) {
			t.Errorf("%s: %+v", check, found)
		}
	}
}

func TestDoctorUsage(t *testing.T) {
	t.Parallel()
	a := alipaytest.New(alipaytest.Config{})
	key := write(t, "app.pem", a.AppPrivateKey())
	public := write(t, "alipay.txt", a.AlipayPublicKey())
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"help":               {[]string{"-h"}, 0, "Exit codes: 0"},
		"nothing":            {nil, 2, "are required"},
		"no app_id":          {[]string{"-app-private-key", key, "-alipay-public-key", public}, 2, "-app-id and"},
		"no private key":     {[]string{"-app-id", "1", "-alipay-public-key", public}, 2, "-app-id and"},
		"no key of Alipay's": {[]string{"-app-id", "1", "-app-private-key", key}, 2, "-alipay-public-key is required"},
		"no such file":       {[]string{"-app-id", "1", "-app-private-key", "/nowhere", "-alipay-public-key", public}, 2, "/nowhere"},
		"an empty file":      {[]string{"-app-id", "1", "-app-private-key", write(t, "empty", "\n"), "-alipay-public-key", public}, 2, "it is empty"},
		"a gateway's query":  {[]string{"-notify-url", "https://shop.example/", "-gateway", "https://a.example/gateway.do?x=1"}, 2, "-gateway wants"},
		"a stray word":       {[]string{"-notify-url", "https://shop.example/", "x"}, 2, "unexpected"},
		"unknown flag":       {[]string{"-skip-verify"}, 2, "not defined"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := alirefund(t, "", append([]string{"doctor"}, c.args...)...)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("exit code %d, want %d with %q: %s%s", code, c.code, c.want, out, errs)
			}
		})
	}
}

// What others wrote does not reach the terminal as it is.
func TestDoctorShowsOthersWordsSafely(t *testing.T) {
	t.Parallel()
	var d doctor
	d.fine("x", "\x1b[31m"+strings.Repeat("支", 1000))
	if got := d.findings[0].Message; strings.Contains(got, "\x1b") || len(got) > maxShown+10 || !strings.HasSuffix(got, "...") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

// documented are the codes and their statuses that a page has rows for.
func documented(t *testing.T, page string) map[code]status {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[code]status{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) > 4 && strings.HasPrefix(line, "| `") {
			rows[code(strings.Trim(cells[1], " `"))] = status(strings.TrimSpace(cells[2]))
		}
	}
	return rows
}

// docs/doctor.md has every code and its status, and no other, in both languages; and each
// one's promise is kept by a test.
func TestDoctorsCodesAreDocumentedAndTested(t *testing.T) {
	t.Parallel()
	rows := documented(t, "doctor.md")
	if chinese := documented(t, "doctor.zh-CN.md"); !maps.Equal(rows, chinese) {
		t.Errorf("in Chinese: %v, in English: %v", chinese, rows)
	}
	source, err := os.ReadFile("finding.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	files, err := filepath.Glob("doctor*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(text)
	}
	declared := 0
	for line := range strings.Lines(string(source)) {
		name, value, found := strings.Cut(strings.TrimSpace(line), ` code = "`)
		if !found {
			continue
		}
		declared++
		c := code(strings.TrimSuffix(value, `"`))
		if rows[c] == "" || rows[c] != codes[c].status {
			t.Errorf("%s: %q in docs/doctor.md, %q here", c, rows[c], codes[c].status)
		}
		if !strings.Contains(tests.String(), strings.TrimSpace(name)+",") && !strings.Contains(tests.String(), "== "+strings.TrimSpace(name)) {
			t.Errorf("%s: no test expects it", c)
		}
	}
	if declared != len(codes) || declared != len(rows) {
		t.Errorf("%d codes are declared, %d have a status, %d are documented: %v", declared, len(codes), len(rows), slices.Sorted(maps.Keys(rows)))
	}
}
