package gateway_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/alirefund/alirefund/gateway"
)

// panicking is a host's transport with a bug, which the download alone meets.
type panicking struct{ *platform }

func (p panicking) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("method") == methodCertificate {
		panic("the host's bug")
	}
	return p.platform.RoundTrip(r)
}

// A download runs on its own, where nobody recovers: what panics in the host's
// transport or key there is a download that failed, and not the end of the process.
func TestAPanicWhileDownloadingEndsTheDownloadAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform()
		next := issue(root(), alipayName, authorityKey(), newerKey())
		p.become(newerKey(), next)
		var log bytes.Buffer
		client := newClient(t, gateway.Config{
			HTTP: &http.Client{Transport: panicking{p}}, Verifier: p.verify, Signer: p.app,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if _, err := client.RefundTrade(t.Context(), refund, gateway.Options{}); kind(err) != gateway.ErrUnverified {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if !strings.Contains(log.String(), "panicked") || !strings.Contains(log.String(), "not_again_for=1s") {
			t.Errorf("logged: %s", &log)
		}
	})
}
