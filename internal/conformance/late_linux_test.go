package conformance

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/alirefund/alirefund/gateway"
)

// A request that was given up while the network was down does not arrive when it is
// up again. By net/http's own transport it does: the kernel goes on delivering what a
// closed connection has not.
func TestRequestThatWasGivenUp(t *testing.T) {
	far := newFarSide(t)
	clients := map[string]*http.Client{
		"plain":  {Transport: &http.Transport{}, Timeout: time.Second},
		"reset":  {Transport: gateway.NewTransport(time.Hour), Timeout: time.Second},   // by us, when the call is over
		"kernel": {Transport: gateway.NewTransport(time.Second), Timeout: time.Minute}, // by the kernel, before
	}
	post := func(name, path string) error {
		response, err := clients[name].Post("http://"+far.address+"/"+path, "text/plain", strings.NewReader("a refund"))
		if err == nil {
			err = response.Body.Close()
		}
		return err
	}
	for name := range clients {
		if err := post(name, "before"); err != nil {
			t.Fatal(name, err)
		}
	}
	far.link(t, "down")
	var calls sync.WaitGroup
	for name := range clients {
		calls.Go(func() {
			if err := post(name, name); err == nil {
				t.Errorf("%s: answered, although it was to give up while the network was down", name)
			}
		})
	}
	time.Sleep(6 * time.Second) // what waits below TCP, for the far side's address, is given up after 3 s
	far.link(t, "up")
	for range 300 { // the kernel tries again after a pause that grows
		if time.Sleep(100 * time.Millisecond); far.got("/plain") {
			break
		}
	}
	if !far.got("/plain") {
		t.Error("what net/http gave up did not arrive either: this test shows nothing")
	}
	time.Sleep(3 * time.Second)
	calls.Wait()
	for _, name := range []string{"reset", "kernel"} {
		if far.got("/" + name) {
			t.Errorf("%s: a request that was given up has arrived", name)
		}
	}
}

// farSide is a server in a network of its own, behind a link that goes down.
type farSide struct {
	name, address string
	far           string // its end of the link
	mu            sync.Mutex
	paths         map[string]bool
}

func newFarSide(t *testing.T) *farSide {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("a network of its own wants root")
		}
		t.Skip("a network of its own wants root")
	}
	f := &farSide{name: fmt.Sprintf("alirefund%d", os.Getpid()), paths: make(map[string]bool)}
	near, far := fmt.Sprintf("arn%d", os.Getpid()), fmt.Sprintf("arf%d", os.Getpid())
	ip(t, "netns", "add", f.name)
	t.Cleanup(func() { ip(t, "netns", "delete", f.name) })
	ip(t, "link", "add", near, "type", "veth", "peer", "name", far, "netns", f.name)
	ip(t, "address", "add", "198.18.71.1/30", "dev", near)
	ip(t, "link", "set", near, "up")
	ip(t, "-n", f.name, "address", "add", "198.18.71.2/30", "dev", far)
	ip(t, "-n", f.name, "link", "set", far, "up")
	listener := f.listen(t, "198.18.71.2:0")
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.paths[r.URL.Path] = true
		}
	})}
	t.Cleanup(func() { _ = server.Close() })
	go server.Serve(listener)
	f.address, f.far = listener.Addr().String(), far
	return f
}

// listen opens a socket in the far network.
func (f *farSide) listen(t *testing.T, address string) net.Listener {
	t.Helper()
	opened := make(chan error, 1)
	var listener net.Listener
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		ns, err := os.Open("/var/run/netns/" + f.name)
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			listener, err = net.Listen("tcp", address)
		}
		opened <- err
	}()
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	return listener
}

func (f *farSide) link(t *testing.T, state string) {
	t.Helper()
	ip(t, "-n", f.name, "link", "set", f.far, state)
}

func (f *farSide) got(path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.paths[path]
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if said, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true" {
			t.Skip("ip (iproute2) is not there")
		}
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, said)
	}
}
