package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
)

// faultHeader says, in a request to refund, what is to go wrong with it: names of
// [faultNames] with commas between them. It is heard only where the fake Alipay is.
const faultHeader = "Demo-Fault"

var faultNames = []string{
	lostAnswer, lateAnswer, lateRequest, crashShop, // with the call: one of them
	noticeTwice, tamperedNotice, // with the notice
}

const (
	lostAnswer     = "lost-answer"
	lateAnswer     = "late-answer"
	lateRequest    = "late-request"
	crashShop      = "crash"
	noticeTwice    = "notice-twice"
	tamperedNotice = "tampered-notice"
)

// demoDelay is how late an answer or a request comes.
const demoDelay = 3 * time.Second

// faults are what is to go wrong with one request to refund, and its notice.
type faults struct {
	names   []string
	of      subject
	sent    atomic.Bool // they befall its first send alone
	crashed atomic.Bool
}

func (f *faults) has(name string) bool { return f != nil && slices.Contains(f.names, name) }

type (
	asked   struct{} // key of the faults of a request to refund
	sending struct{} // key of the faults of the call that ctx is for
)

// withFaults returns the request with the faults that its header names.
func withFaults(r *http.Request) (*http.Request, error) {
	text := r.Header.Get(faultHeader)
	if text == "" {
		return r, nil
	}
	f, calls := &faults{}, 0
	for name := range strings.SplitSeq(text, ",") {
		at := slices.Index(faultNames, strings.TrimSpace(name))
		if at < 0 {
			return nil, errors.New("the faults are " + strings.Join(faultNames, ", "))
		}
		if at <= slices.Index(faultNames, crashShop) {
			calls++
		}
		f.names = append(f.names, faultNames[at])
	}
	if calls > 1 {
		return nil, errors.New("one thing at most goes wrong with a call")
	}
	return r.WithContext(context.WithValue(r.Context(), asked{}, f)), nil
}

// underFaults returns the context of a send, under the faults that were asked for.
func underFaults(ctx context.Context, of subject) context.Context {
	f, _ := ctx.Value(asked{}).(*faults)
	if f == nil || f.sent.Swap(true) {
		return ctx
	}
	f.of = of
	return context.WithValue(ctx, sending{}, f)
}

// crashed tells whether the shop that worked on it is no more.
func crashed(ctx context.Context) bool {
	f, _ := ctx.Value(asked{}).(*faults)
	return f != nil && f.crashed.Load()
}

// network stands between the shop and the fake Alipay, where what goes wrong goes wrong:
// each fault befalls the refund that it was asked for, and no other.
type network struct {
	fake  *alipaytest.Alipay
	steps *steps
	crash func(subject)

	mu   sync.Mutex
	plan map[subject]*faults // of notices
}

func newNetwork() *network { return &network{plan: map[subject]*faults{}} }

// tripper is an [http.RoundTripper].
type tripper func(*http.Request) (*http.Response, error)

func (t tripper) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// calls returns the shop's client to Alipay.
func (n *network) calls(alipay *http.Client) *http.Client {
	through := *alipay
	through.Transport = tripper(func(r *http.Request) (*http.Response, error) { return n.call(alipay.Transport, r) })
	return &through
}

func (n *network) call(alipay http.RoundTripper, r *http.Request) (*http.Response, error) {
	f, _ := r.Context().Value(sending{}).(*faults)
	if f == nil {
		return alipay.RoundTrip(r)
	}
	n.mu.Lock()
	n.plan[f.of] = f
	n.mu.Unlock()
	if f.has(lateRequest) {
		if err := n.sendLater(alipay, r, f.of); err != nil {
			return nil, err
		}
		return nil, io.ErrUnexpectedEOF
	}
	answer, err := alipay.RoundTrip(r)
	switch {
	case err != nil:
	case f.has(lateAnswer):
		select {
		case <-time.After(demoDelay):
		case <-r.Context().Done():
		}
	case f.has(lostAnswer):
		return nil, errors.Join(io.ErrUnexpectedEOF, answer.Body.Close())
	case f.has(crashShop):
		_ = answer.Body.Close()
		f.crashed.Store(true)
		n.crash(f.of)
		runtime.Goexit() // as in a crash, nothing that stands behind this call is done
	}
	return answer, err
}

// sendLater lets a request arrive when its sender has given up on it.
func (n *network) sendLater(alipay http.RoundTripper, r *http.Request, of subject) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	late := r.Clone(context.WithoutCancel(r.Context()))
	late.Body = io.NopCloser(bytes.NewReader(body))
	time.AfterFunc(demoDelay, func() {
		if answer, err := alipay.RoundTrip(late); err == nil {
			_ = answer.Body.Close() // nobody hears it
		}
		n.steps.add(step{Order: of.order, Number: of.number, Name: "arrived"})
	})
	return nil
}

// notices is the client by which the fake posts its notices to the shop.
func (n *network) notices() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: tripper(n.notice)}
}

func (n *network) notice(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, _ := url.ParseQuery(string(body)) // the fake wrote it
	of := subject{form.Get("out_trade_no"), form.Get("out_biz_no")}
	if form.Get("auth_no") != "" {
		of = subject{form.Get("auth_no"), form.Get("out_request_no")}
	}
	if of.number == "" { // not of a refund
		return n.post(r, body)
	}
	n.steps.about(form.Get("notify_id"), of)
	n.mu.Lock()
	f := n.plan[of]
	delete(n.plan, of)
	n.mu.Unlock()
	tell := func(name, detail string) {
		n.steps.add(step{Order: of.order, Number: of.number, Name: name, Detail: detail})
	}
	if f.has(tamperedNotice) {
		tell("tampered", "")
		for _, field := range []string{"refund_fee", "amount"} {
			if form.Has(field) {
				form.Set(field, "9999.99")
			}
		}
		if answer, err := n.post(r, []byte(form.Encode())); err == nil {
			var problem struct{ Code string }
			_ = json.NewDecoder(answer.Body).Decode(&problem)
			_ = answer.Body.Close()
			if answer.StatusCode/100 == 4 {
				tell("refused", problem.Code)
			}
		}
	}
	tell("notice", "")
	answer, err := n.post(r, body)
	if f.has(noticeTwice) && err == nil {
		_ = answer.Body.Close()
		tell("notice", "")
		answer, err = n.post(r, body)
	}
	return answer, err
}

func (n *network) post(r *http.Request, body []byte) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.GetBody = nil
	return http.DefaultTransport.RoundTrip(r)
}

// moved counts the movements of money of a refund.
func (n *network) moved(of subject) int {
	times := 0
	for _, m := range n.fake.Movements() {
		if m.OutRequestNo == of.number && (m.OutTradeNo == of.order || m.AuthNo == of.order) {
			times++
		}
	}
	return times
}
