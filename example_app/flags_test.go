package main

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"flag"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
)

func listenAndServe(t *testing.T, h http.Handler) (url string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// allFlags are the flags and their environment twins, which users rely on.
var allFlags = map[string]string{
	"addr": "ALIREFUND_ADDR", "gateway": "ALIREFUND_GATEWAY", "app-id": "ALIREFUND_APP_ID",
	"private-key": "ALIREFUND_PRIVATE_KEY", "alipay-public-key": "ALIREFUND_ALIPAY_PUBLIC_KEY",
	"notify-url": "ALIREFUND_NOTIFY_URL", "staff-token": "ALIREFUND_STAFF_TOKEN",
	"timeout": "ALIREFUND_TIMEOUT", "first-check": "ALIREFUND_FIRST_CHECK", "transit": "ALIREFUND_TRANSIT",
	"store": "ALIREFUND_STORE", "events": "ALIREFUND_EVENTS", "drain": "ALIREFUND_DRAIN",
}

func TestFlagsAndTheirTwins(t *testing.T) {
	var names []string
	(&options{}).flags().VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if want := slices.Sorted(maps.Keys(allFlags)); !slices.Equal(names, want) {
		t.Fatalf("flags %q, want %q", names, want)
	}
	for name, variable := range allFlags {
		value := func(set *flag.FlagSet) string { return set.Lookup(name).Value.String() }
		o := parsed(t, nil, map[string]string{variable: "from-the-environment"})
		if got := value(o.flagsAsSet()); got != "from-the-environment" {
			t.Errorf("%s does not set -%s: %q", variable, name, got)
		}
		o = parsed(t, []string{"-" + name, "from-the-flag"}, map[string]string{variable: "from-the-environment"})
		if got := value(o.flagsAsSet()); got != "from-the-flag" {
			t.Errorf("-%s does not win over %s: %q", name, variable, got)
		}
	}
}

func parsed(t *testing.T, args []string, env map[string]string) *options {
	t.Helper()
	wrong := problems{}
	o, err := parse(args, func(name string) string { return env[name] }, wrong)
	if err != nil || len(wrong) > 0 {
		t.Fatalf("parse: %v, %v", err, wrong)
	}
	return o
}

// flagsAsSet returns flags whose values are o's.
func (o *options) flagsAsSet() *flag.FlagSet {
	now := *o
	set := o.flags() // which resets o to the defaults
	*o = now
	return set
}

func TestHelp(t *testing.T) {
	for _, ask := range []string{"-h", "-help", "--help"} {
		var out bytes.Buffer
		env := func(name string) string { return "secret-of-" + name }
		if err := run(soon(t), []string{"-nonsense", ask}, env, &out); err != nil {
			t.Errorf("%s: %v", ask, err)
		}
		for name, variable := range allFlags {
			if !strings.Contains(out.String(), "\n  -"+name+" ") || !strings.Contains(out.String(), variable) {
				t.Errorf("%s does not explain -%s and %s", ask, name, variable)
			}
		}
		if strings.Contains(out.String(), "secret-of") {
			t.Errorf("%s repeats the environment:\n%s", ask, &out)
		}
	}
}

// wrongSetting is a command line, and words of what is said of each flag.
type wrongSetting struct {
	name string
	args []string
	want map[string]string
}

func wrongSettings(t *testing.T) []wrongSetting {
	t.Helper()
	fake, right := account(t, nil)
	dir := t.TempDir()
	taken := listenAndServe(t, fake)
	with := func(args ...string) []string { return append(slices.Clone(right), args...) }
	return []wrongSetting{
		{"all that is required", []string{"-gateway", "https://alipay.test/gateway.do"}, map[string]string{
			"app-id": "is required", "private-key": "is required", "alipay-public-key": "is required",
		}},
		{"everything", []string{
			"-addr", "nowhere", "-gateway", "ftp://alipay.test", "-app-id", "a b", "-private-key", filepath.Join(dir, "none"),
			"-alipay-public-key", file(t, "key", "no key!"), "-notify-url", "http://shop.test/notify?a=b",
			"-staff-token", "with blanks", "-timeout", "soon", "-first-check", "later", "-store", "oracle://x", "-events", dir,
		}, map[string]string{
			"addr": "missing port", "gateway": "wants the form https://", "app-id": "wants the application's app_id",
			"private-key": "no such file", "alipay-public-key": "neither PEM nor base64", "notify-url": "no query",
			"staff-token": "letters, digits", "timeout": "above zero", "first-check": "above zero",
			"store": "wants memory", "events": "directory",
		}},
		{"no time", []string{"-timeout", "0s"}, map[string]string{"timeout": "above zero"}},
		{"negative time", []string{"-timeout", "-1s", "-drain", "-1s"}, map[string]string{"timeout": "above zero", "drain": "0s for none"}},
		{"no such folder", []string{"-store", "sqlite:" + filepath.Join(dir, "none", "shop.db")}, map[string]string{"store": "unable to open"}},
		{"a file of another kind", []string{"-store", "sqlite:" + file(t, "shop.db", strings.Repeat("no database ", 100))}, map[string]string{"store": "not a database"}},
		{"no file", []string{"-store", "sqlite:"}, map[string]string{"store": "sqlite:FILE"}},
		{"no such Redis", []string{"-store", "redis://user:secret@127.0.0.1:1/0?max_retries=-1"}, map[string]string{"store": "connection refused"}},
		{"no database of Redis", []string{"-store", "redis://user:secret@127.0.0.1/x"}, map[string]string{"store": "redis://user:password@host:6379/0"}},
		{"no database server", []string{"-store", "mysql:shop"}, map[string]string{"store": "mysql://user"}},
		{"an address in use", []string{"-addr", strings.TrimPrefix(taken, "http://")}, map[string]string{"addr": "in use"}},
		{"an account without its gateway", right[2:], map[string]string{
			"app-id": "without -gateway", "private-key": "without -gateway", "alipay-public-key": "without -gateway",
		}},
		{"the keys exchanged", with("-private-key", right[7], "-alipay-public-key", right[5]), map[string]string{
			"private-key": "this is a public key", "alipay-public-key": "this is a private key",
		}},
		{"the application's own public key", with("-alipay-public-key", file(t, "own", ownPublicKey(t, fake))), map[string]string{
			"alipay-public-key": "own public key",
		}},
		{"no such flags, and a wrong one", []string{"-nonsense", "-timeout", "soon", "-folly=1"}, map[string]string{
			"timeout": "above zero", "nonsense": "not defined", "folly": "not defined",
		}},
		{"words that are no flags", []string{"refund", "-timeout", "soon", "now", "-", "--", "-=x"}, map[string]string{
			"timeout": "above zero", "": "an argument that is no flag",
		}},
	}
}

func TestWrongSettings(t *testing.T) {
	for _, test := range wrongSettings(t) {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"-addr", "127.0.0.1:0"}, test.args...)
			var out bytes.Buffer
			err := run(soon(t), args, noEnv, &out)
			if _, ok := errors.AsType[problems](err); !ok {
				t.Fatalf("run: %v", err)
			}
			lines := strings.Split(err.Error(), "\n")[1:]
			if test.name != "words that are no flags" && len(lines) != len(test.want) {
				t.Errorf("%d problems, want %d", len(lines), len(test.want))
			}
			for name, words := range test.want {
				if !slices.ContainsFunc(lines, func(line string) bool {
					return strings.Contains(line, name) && strings.Contains(line, words)
				}) {
					t.Errorf("nothing is said of -%s and %q", name, words)
				}
			}
			if t.Failed() {
				t.Log(err)
			}
			if out.Len() > 0 {
				t.Errorf("it said %q as if it had started", &out)
			}
		})
	}
}

// An address that stands for all of the machine's is not one to be reached by.
func TestEveryAddress(t *testing.T) {
	a := start(t, "-addr", ":0")
	if !strings.HasPrefix(a.base, "http://localhost:") {
		t.Errorf("the address is %s", a.base)
	}
	a.expectEvents()
}

// A database that cannot be reached is named by nothing that has its password.
func TestPasswordIsNotRepeated(t *testing.T) {
	const nobody = "127.0.0.1:1"
	for _, store := range []string{
		"postgres://shop:pa55word@" + nobody + "/shop", "mysql://shop:pa55word@" + nobody + "/shop",
		"postgres://shop:pa55word@[::1", "mysql://shop:pa55word@[::1", "mysql://shop:pa55word@%zz/",
		"mysql://shop:pa55word@" + nobody + "/shop?timeout=soon", "oracle://shop:pa55word@" + nobody,
	} {
		err := run(soon(t), []string{"-addr", "127.0.0.1:0", "-store", store}, noEnv, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), "-store (ALIREFUND_STORE)") || strings.Contains(err.Error(), "pa55word") {
			t.Errorf("run: %v", err)
		}
	}
}

// A key that was given in place of its file's name must not be printed.
func TestKeyInPlaceOfItsFile(t *testing.T) {
	fake, flags := account(t, nil)
	flags[5] = fake.AppPrivateKey()
	err := run(soon(t), append(flags, "-addr", "127.0.0.1:0"), noEnv, &bytes.Buffer{})
	if err == nil || strings.Contains(err.Error(), fake.AppPrivateKey()[40:80]) || !strings.Contains(err.Error(), "-private-key") {
		t.Errorf("run: %v", err)
	}
}

func ownPublicKey(t *testing.T, fake *alipaytest.Alipay) string {
	t.Helper()
	sign, err := signer.FromPEM(fake.AppPrivateKey())
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(sign.Public())
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func program(t *testing.T, args ...string) (command *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	command = exec.CommandContext(soon(t), os.Args[0], args...)
	command.Env = append(os.Environ(), asProgram+"=1")
	stderr = &bytes.Buffer{}
	command.Stderr = stderr
	return command, stderr
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-h"}, 0, ""},
		{[]string{"-timeout", "soon", "-events", "/"}, 2, "-timeout (ALIREFUND_TIMEOUT)"},
	} {
		command, stderr := program(t, test.args...)
		_ = command.Run()
		if code := command.ProcessState.ExitCode(); code != test.code || !strings.Contains(stderr.String(), test.says) {
			t.Errorf("%v: exit code %d, want %d; it said %q", test.args, code, test.code, stderr)
		}
	}
}

// A refund that is in flight when SIGTERM comes is finished and answered; nobody
// new is let in; the exit code is 0.
func TestStopsCleanly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("there is no SIGTERM on Windows")
		return
	}
	arrived, release := make(chan struct{}), make(chan struct{})
	fake, flags := account(t, func(alipay http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(arrived)
			<-release
			alipay.ServeHTTP(w, r)
		})
	})
	fake.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 60_00})
	log := filepath.Join(t.TempDir(), "events.jsonl")
	command, stderr := program(t, append(flags, "-addr", "127.0.0.1:0", "-staff-token", testToken, "-events", log)...)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	_, base := startUp(t, out)
	a := &app{t: t, base: base}
	answer := make(chan reply, 1)
	go func() {
		defer close(answer)
		answer <- a.refund(`{"out_trade_no":"order-1","refund_amount":"60.00"}`)
	}()
	<-arrived

	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "end of new connections", func() bool {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(base, "http://"), time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	close(release)
	a.expect(<-answer, http.StatusOK, "succeeded")
	if err := command.Wait(); err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	if lines, err := os.ReadFile(log); err != nil || strings.Count(string(lines), "\n") != 1 {
		t.Errorf("the events file: %v: %q", err, lines)
	}
}
