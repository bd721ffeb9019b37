package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

// billClient is a client of a fake that has a bill of yesterday's.
func billClient(t *testing.T) (*alipaytest.Alipay, *gateway.Client, string) {
	t.Helper()
	fake := alipaytest.New(alipaytest.Config{})
	fake.AddTrade(alipaytest.Trade{})
	day := time.Now().In(time.FixedZone("", 8*60*60)).Format(time.DateOnly)
	fake.Advance(24 * time.Hour)
	return fake, newClient(t, gateway.Config{
		AppID: fake.AppID(), Signer: must(signer.FromPEM(fake.AppPrivateKey())), Verifier: must(signer.VerifierFromPEM(fake.AlipayPublicKey())),
		URL: alipaytest.GatewayURL, HTTP: fake.HTTPClient(),
	}), day
}

func TestBillIsDownloaded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, client, day := billClient(t)
		address, err := client.QueryBill(t.Context(), gateway.BillQuery{BillType: gateway.BillTrade, BillDate: day}, gateway.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		n, err := client.DownloadBill(t.Context(), address, []string{gateway.BillHost}, &got)
		if err != nil || n != int64(got.Len()) || !bytes.Equal(got.Bytes(), fake.Bill(day)) {
			t.Errorf("downloaded %d bytes, %v", n, err)
		}
		if _, err := client.DownloadBill(t.Context(), address, []string{gateway.BillHost}, writer{}); !errors.Is(err, io.ErrShortBuffer) || errors.Is(err, gateway.ErrDownload) {
			t.Errorf("a disk that is full: %v", err)
		}
		fake.SpoilBill(alipaytest.BillFault{Kind: alipaytest.BillNotExist, Day: day})
		if _, err := client.QueryBill(t.Context(), gateway.BillQuery{BillType: gateway.BillTrade, BillDate: day}, gateway.Options{}); !errors.Is(err, gateway.ErrNoBill) {
			t.Errorf("no bill: %v", err)
		}
		fake.Inject(alipaytest.Fault{Kind: alipaytest.WrongSignature, Method: gateway.MethodBill})
		if _, err := client.QueryBill(t.Context(), gateway.BillQuery{BillType: gateway.BillTrade, BillDate: day}, gateway.Options{}); !errors.Is(err, gateway.ErrUnverified) {
			t.Errorf("an unsigned address: %v", err)
		}
	})
}

// writer is a disk that is full.
type writer struct{}

func (writer) Write([]byte) (int, error) { return 0, io.ErrShortBuffer }

// What comes from elsewhere is not read, and is not even asked for.
func TestBillComesFromAlipayAlone(t *testing.T) {
	t.Parallel()
	const secret = "fileId=secret"
	for name, c := range map[string]struct {
		address, redirect string
		hosts             []string
		want              error
		asked             int
	}{
		"Alipay":              {address: "https://dwbillcenter.alipay.com/x?", asked: 1},
		"Alipay, no TLS":      {address: "http://DWBillCenter.alipay.com/x?", asked: 1},
		"another host":        {address: "https://evil.example/x?", want: gateway.ErrBillHost},
		"a longer host":       {address: "https://dwbillcenter.alipay.com.evil.example/x?", want: gateway.ErrBillHost},
		"a user":              {address: "https://dwbillcenter.alipay.com@evil.example/x?", want: gateway.ErrBillHost},
		"a user at Alipay":    {address: "https://me@dwbillcenter.alipay.com/x?", want: gateway.ErrBillHost},
		"another port":        {address: "https://dwbillcenter.alipay.com:8443/x?", want: gateway.ErrBillHost},
		"a port of the hosts": {address: "https://127.0.0.1:8443/x?", hosts: []string{"127.0.0.1:8443"}, asked: 1},
		"a file":              {address: "file://dwbillcenter.alipay.com/etc/passwd?", want: gateway.ErrBillHost},
		"no address":          {address: "dwbillcenter.alipay.com?", want: gateway.ErrBillHost},
		"no URL":              {address: "https://dwbillcenter.alipay.com/%zz?", want: gateway.ErrBillHost},
		"redirected":          {address: "https://dwbillcenter.alipay.com/x?", redirect: "https://evil.example/?" + secret, want: gateway.ErrBillHost, asked: 1},
		"redirected at home":  {address: "https://dwbillcenter.alipay.com/x?", redirect: "/y?" + secret, asked: 2},
		"round and round":     {address: "https://dwbillcenter.alipay.com/x?", redirect: "/x?" + secret, want: gateway.ErrDownload, asked: 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			client := newClient(t, gateway.Config{HTTP: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				asked++
				if r.Method != http.MethodGet || len(r.Header["Cookie"]) > 0 {
					t.Errorf("%s with %v", r.Method, r.Header)
				}
				if c.redirect != "" && !strings.HasPrefix(r.URL.Path, "/y") {
					answer := response(http.StatusFound, "")
					answer.Header.Set("Location", c.redirect)
					return answer, nil
				}
				return response(http.StatusOK, "a bill"), nil
			})}})
			if c.hosts == nil {
				c.hosts = []string{gateway.BillHost}
			}
			var got bytes.Buffer
			_, err := client.DownloadBill(t.Context(), c.address+secret, c.hosts, &got)
			if !errors.Is(err, c.want) || asked != c.asked || (err == nil) != (got.String() == "a bill") {
				t.Errorf("asked %d times: %v, %q", asked, err, &got)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the address: %v", err)
			}
		})
	}
}

func TestBillBreaksOff(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"no connection": func(r *http.Request) (*http.Response, error) { return nil, errors.New("dial " + r.URL.String()) },
		"expired": func(*http.Request) (*http.Response, error) {
			return response(http.StatusForbidden, "链接已失效"), nil
		},
		"in the middle": func(*http.Request) (*http.Response, error) {
			r := response(http.StatusOK, "")
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF)))
			return r, nil
		},
		"no answer within 30 s": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				client := newClient(t, gateway.Config{HTTP: &http.Client{Transport: transport(answer)}})
				_, err := client.DownloadBill(t.Context(), "https://dwbillcenter.alipay.com/x?fileId=secret", []string{gateway.BillHost}, io.Discard)
				if !errors.Is(err, gateway.ErrDownload) || strings.Contains(err.Error(), "secret") || time.Since(began) > 30*time.Second {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
			})
		})
	}
}
