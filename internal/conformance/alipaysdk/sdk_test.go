package alipaysdk_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
)

// sdk is a Node process in which Alipay's SDK runs.
type sdk struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

// china is where the SDK must run: see the difference "timestamp".
const china = "Asia/Shanghai"

// start runs the SDK in a time zone until the test ends.
func start(t *testing.T, zone string) *sdk {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed")
	}
	if _, err := os.Stat("node_modules/alipay-sdk/package.json"); err != nil {
		missing(t, "the npm package alipay-sdk is not installed (make alipaysdk)")
	}
	command := exec.CommandContext(t.Context(), node, "alipaysdk.mjs")
	command.Env = append(os.Environ(), "TZ="+zone, "HTTP_PROXY=", "HTTPS_PROXY=", "http_proxy=", "https_proxy=")
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = command.Wait() // the test's end may have killed it
	})
	return &sdk{in: in, out: bufio.NewReader(out)}
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

// config is what an AlipaySdk is made with.
type config map[string]any

// with returns the config with one field changed.
func (c config) with(key string, value any) config {
	changed := c.without(key)
	changed[key] = value
	return changed
}

func (c config) without(key string) config {
	changed := maps.Clone(c)
	delete(changed, key)
	return changed
}

// failure is what the SDK threw.
type failure struct{ Name, Code, Message string }

func (f *failure) Error() string { return fmt.Sprintf("%s %s: %s", f.Name, f.Code, f.Message) }

// call calls a new AlipaySdk of this config, and decodes the result if a place
// for it is given. What the SDK throws is a *failure.
func (s *sdk) call(t *testing.T, c config, result any, call string, args ...any) error {
	t.Helper()
	line, err := json.Marshal(map[string]any{"config": c, "call": call, "args": append([]any{}, args...)})
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	text, err := s.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("the SDK's process ended: %v", err)
	}
	answer := struct {
		Result json.RawMessage
		Error  *failure
	}{}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if answer.Error != nil {
		return answer.Error
	}
	if result != nil {
		if err := json.Unmarshal(answer.Result, result); err != nil {
			t.Fatalf("%v: %s", err, answer.Result)
		}
	}
	return nil
}

// check asks one of the SDK's checks, of which an error is also a no.
func (s *sdk) check(t *testing.T, c config, check string, args ...any) (ok bool) {
	t.Helper()
	if err := s.call(t, c, &ok, check, args...); err != nil {
		t.Logf("%s: %v", check, err)
		return false
	}
	return ok
}

// party is a fake Alipay at an address, and how the SDK is set up for it.
type party struct {
	*alipaytest.Alipay
	config config
}

// open opens a fake Alipay whose notices are acknowledged unseen.
func open(t *testing.T, c alipaytest.Config) party {
	t.Helper()
	a := alipaytest.New(c)
	gateway, stop, err := a.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	made := config{
		"appId": a.AppID(), "privateKey": a.AppPrivateKey(), "keyType": "PKCS8",
		"gateway": gateway, "endpoint": strings.TrimSuffix(gateway, "/gateway.do"),
		"camelcase": false,
	}
	if c.ContentKey != "" {
		made["encryptKey"] = c.ContentKey
	}
	if c.Certificates {
		made["appCertContent"] = a.AppCertificate()
		made["alipayPublicCertContent"] = a.AlipayCertificate()
		made["alipayRootCertContent"] = a.RootCertificates()
	} else {
		made["alipayPublicKey"] = a.AlipayPublicKey()
	}
	return party{a, made}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
