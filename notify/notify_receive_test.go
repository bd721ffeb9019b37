package notify_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/alirefund/alirefund/notify"
)

func post(url string, body []byte) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return r
}

func TestReceive(t *testing.T) {
	body := payment.post(t)
	large := append(body, "&x="+strings.Repeat("x", notify.MaxBody)...)
	withBody := func(r io.Reader, length int64) *http.Request {
		q := post("/notify", body)
		q.Body, q.ContentLength = io.NopCloser(r), length
		return q
	}
	for _, test := range []struct {
		name string
		r    *http.Request
		want error
	}{
		{"as Alipay sends it", post("/notify", body), nil},
		{"of unknown length", withBody(bytes.NewReader(body), -1), nil},
		{"in pieces", withBody(iotest.OneByteReader(bytes.NewReader(body)), int64(len(body))), nil},
		{"another content type", headed(post("/notify", body), "Content-Type", "text/plain"), nil},
		{"fields in the URL are not read", post("/notify?refund_fee=1&trade_status=x", body), nil},
		{"all of it in the URL", post("/notify?"+string(body), nil), notify.ErrMalformed},
		{"GET", httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/notify?"+string(body), nil), notify.ErrMethod},
		{"PUT", httptest.NewRequestWithContext(context.Background(), http.MethodPut, "/notify", bytes.NewReader(body)), notify.ErrMethod},
		{"large", post("/notify", large), notify.ErrTooLarge},
		{"large, and no word of it", withBody(bytes.NewReader(large), -1), notify.ErrTooLarge},
		{"large for an outer limit", withBody(http.MaxBytesReader(nil, io.NopCloser(bytes.NewReader(body)), 100), -1), notify.ErrTooLarge},
		{"client stopped", withBody(iotest.ErrReader(io.ErrUnexpectedEOF), -1), notify.ErrUnread},
		{"cut short", withBody(bytes.NewReader(body[:100]), int64(len(body))), notify.ErrUnread},
		{"no body", withBody(http.NoBody, 0), notify.ErrMalformed},
		{"nil body", &http.Request{Method: http.MethodPost}, notify.ErrMalformed},
		{"closed body", withBody(iotest.ErrReader(http.ErrBodyReadAfterClose), int64(len(body))), notify.ErrUnread},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, err := receiver(t).Receive(test.r)
			if !errors.Is(err, test.want) || (err == nil) != (n != nil) {
				t.Fatalf("got %v, %v; want %v", n, err, test.want)
			}
			if err == nil && (n.Kind != notify.KindPayment || n.Get("refund_fee") != "") {
				t.Errorf("kind %s", n.Kind)
			}
		})
	}
}

func TestReceiveReadsNoMoreThanItMay(t *testing.T) {
	endless := &counter{}
	r := post("/notify", nil)
	r.Body, r.ContentLength = io.NopCloser(io.LimitReader(endless, 1<<30)), -1
	if _, err := receiver(t).Receive(r); !errors.Is(err, notify.ErrTooLarge) {
		t.Errorf("got %v, want %v", err, notify.ErrTooLarge)
	}
	if endless.read > notify.MaxBody+1 {
		t.Errorf("%d bytes were read", endless.read)
	}
}

// counter is an endless body that knows how much of it was read.
type counter struct{ read int }

func (c *counter) Read(p []byte) (int, error) {
	c.read += len(p)
	return len(p), nil
}

func headed(r *http.Request, key, value string) *http.Request {
	r.Header.Set(key, value)
	return r
}

func TestReceiveAfterAnEarlierHandler(t *testing.T) {
	body := payment.post(t)
	for _, test := range []struct {
		name    string
		body    []byte
		url     string
		earlier func(*http.Request) error
		want    error
		says    string
	}{
		{"parsed the form", body, "/notify?refund_fee=1&x=y", (*http.Request).ParseForm, nil, ""},
		{"parsed a form with a key twice", append(body, "&version=2.0"...), "/notify", (*http.Request).ParseForm, notify.ErrDuplicateKey, "version"},
		{"parsed a large form", append(body, "&x="+strings.Repeat("%25", notify.MaxBody/3)...), "/notify", (*http.Request).ParseForm, notify.ErrTooLarge, ""},
		{"read the body", body, "/notify", func(r *http.Request) error { _, err := io.Copy(io.Discard, r.Body); return err }, notify.ErrUnread, "earlier handler"},
		{"read a part of it", body, "/notify", func(r *http.Request) error { _, err := io.CopyN(io.Discard, r.Body, 10); return err }, notify.ErrUnread, "earlier handler"},
		{"read it and put it back", body, "/notify", func(r *http.Request) error {
			data, err := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(data))
			return err
		}, nil, ""},
		{"parsed and closed", body, "/notify", func(r *http.Request) error {
			err := r.ParseForm()
			r.Body = io.NopCloser(iotest.ErrReader(http.ErrBodyReadAfterClose))
			return err
		}, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := post(test.url, test.body)
			if err := test.earlier(r); err != nil {
				t.Fatal(err)
			}
			n, err := receiver(t).Receive(r)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if err != nil {
				if !strings.Contains(err.Error(), test.says) {
					t.Errorf("%q does not say %q", err, test.says)
				}
				return
			}
			if n.Kind != notify.KindPayment || n.Get("refund_fee") != "" || n.Get("x") != "" {
				t.Errorf("%v has the URL's fields", n)
			}
		})
	}
}

func TestReceiveOverHTTP(t *testing.T) {
	rc := receiver(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := rc.Receive(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		io.WriteString(w, string(n.Kind))
	}))
	defer server.Close()
	resp, err := http.Post(server.URL+"/?refund_fee=1", "application/x-www-form-urlencoded", bytes.NewReader(partialRefund.post(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || string(got) != "trade_refund" {
		t.Errorf("%s, %v", got, err)
	}
}

// The body can be read once again by whoever comes next, as far as it came.
func TestReceivePutsTheBodyBack(t *testing.T) {
	body := partialRefund.post(t)
	for name, r := range map[string]*http.Request{
		"genuine":   post("/notify", body),
		"forged":    post("/notify", append(slices.Clip(body), '0')),
		"cut short": httptest.NewRequest(http.MethodPost, "/notify", io.MultiReader(bytes.NewReader(body[:100]), iotest.ErrReader(io.ErrUnexpectedEOF))),
		"no body":   {Method: http.MethodPost},
	} {
		want := map[string]string{"genuine": string(body), "forged": string(body) + "0", "cut short": string(body[:100])}[name]
		if _, err := receiver(t).Receive(r); (err == nil) != (name == "genuine") {
			t.Errorf("%s: %v", name, err)
		}
		got, err := io.ReadAll(r.Body)
		if string(got) != want || err != nil {
			t.Errorf("%s: %d bytes are left, %v; want %d", name, len(got), err, len(want))
		}
		if err := r.Body.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A stranger who says that much will come, and sends little, is given little memory.
func TestClaimedLengthTakesNoMemory(t *testing.T) {
	took := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			r := httptest.NewRequest(http.MethodPost, "/notify", strings.NewReader("a=b"))
			r.ContentLength = notify.MaxBody
			if _, err := receiver(t).Receive(r); !errors.Is(err, notify.ErrUnread) {
				b.Fatal(err)
			}
		}
	})
	if each := took.AllocedBytesPerOp(); each > notify.MaxBody/4 {
		t.Errorf("three bytes take %d bytes of memory", each)
	}
}
