package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/money"
)

// control is what a test says to the fake, and asks it, below /fake/.
type control struct {
	alipay    *alipaytest.Alipay
	notifyURL string // of what has none of its own
}

// posts are what a test may say, by the path.
func (c *control) posts() map[string]func(body []byte) (any, error) {
	return map[string]func(body []byte) (any, error){
		"trades":              with(c.addTrade),
		"red-packets":         with(c.addRedPacket),
		"pre-authorisations":  with(c.addPreAuth),
		"payments":            with(c.pay),
		"console-refunds":     with(c.refundAtConsole),
		"deposit-backs":       with(c.depositBack),
		"faults":              with(c.inject),
		"clock":               with(c.advance),
		"certificates/rotate": with(c.rotate),
	}
}

// gets are what it may ask.
func (c *control) gets() map[string]func() any {
	return map[string]func() any{"movements": c.movements, "notices": c.notices, "calls": c.calls}
}

func (c *control) routes(mux *http.ServeMux) {
	for path, do := range c.posts() {
		mux.HandleFunc("POST /fake/"+path, func(w http.ResponseWriter, r *http.Request) {
			status, body := take(w, r, do)
			answer(w, status, body)
		})
	}
	for path, show := range c.gets() {
		mux.HandleFunc("GET /fake/"+path, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, show()) })
	}
	mux.HandleFunc("GET /fake/{$}", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, c.index()) })
	mux.HandleFunc("/fake/", func(w http.ResponseWriter, _ *http.Request) { // and not the gateway's
		answer(w, http.StatusNotFound, failure{"there is no such thing; GET /fake/ says what there is"})
	})
}

// take does what a request says, and returns what to answer.
func take(w http.ResponseWriter, r *http.Request, do func(body []byte) (any, error)) (status int, body any) {
	// A page of somebody else's can post a form to this machine, and not JSON.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return http.StatusUnsupportedMediaType, failure{"Content-Type must be application/json"}
	}
	var asked json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&asked); err != nil {
		return http.StatusBadRequest, failure{"the body must be a JSON object: " + err.Error()}
	}
	var made any
	var wrong error
	if err := attempt(func() { made, wrong = do(asked) }); err != nil { // the fake has it already, or has it not
		return http.StatusConflict, failure{err.Error()}
	}
	if wrong != nil {
		return http.StatusBadRequest, failure{wrong.Error()}
	}
	return http.StatusOK, made
}

type failure struct {
	Error string `json:"error"`
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(body) // the client is gone
}

// attempt calls f, whose panic with a text is an error.
func attempt(f func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case string:
			err = fmt.Errorf("%s", strings.TrimPrefix(p, "alipaytest: "))
		default:
			panic(p)
		}
	}()
	f()
	return nil
}

// with reads a body strictly into what do takes.
func with[T any](do func(T) (any, error)) func([]byte) (any, error) {
	return func(body []byte) (any, error) {
		var asked T
		d := json.NewDecoder(strings.NewReader(string(body)))
		d.DisallowUnknownFields()
		if err := d.Decode(&asked); err != nil {
			return nil, err
		}
		return do(asked)
	}
}

type controlTrade struct {
	OutTradeNo     string       `json:"out_trade_no"`
	TradeNo        string       `json:"trade_no,omitempty"`
	Subject        string       `json:"subject,omitempty"`
	Total          money.Amount `json:"total_amount,omitempty"`
	Status         string       `json:"trade_status,omitempty"`
	NotifyURL      string       `json:"notify_url,omitempty"`
	PassbackParams string       `json:"passback_params,omitempty"`
}

func (c *control) addTrade(t controlTrade) (any, error) {
	url, err := c.noticesTo(t.NotifyURL)
	if err != nil {
		return nil, err
	}
	if t.OutTradeNo == "" {
		return nil, fmt.Errorf("out_trade_no is required")
	}
	added := c.alipay.AddTrade(alipaytest.Trade{
		OutTradeNo: t.OutTradeNo, TradeNo: t.TradeNo, Subject: t.Subject, Total: t.Total, Status: t.Status, NotifyURL: url, PassbackParams: t.PassbackParams,
	})
	return controlTrade{added.OutTradeNo, added.TradeNo, added.Subject, added.Total, added.Status, added.NotifyURL, added.PassbackParams}, nil
}

// noticesTo is where notices go.
func (c *control) noticesTo(asked string) (string, error) {
	if asked == "" {
		return c.notifyURL, nil
	}
	if err := wantsURL(asked); err != nil {
		return "", fmt.Errorf("notify_url %w", err)
	}
	return asked, nil
}

type controlRedPacket struct {
	AuthNo     string       `json:"auth_no"`
	OutOrderNo string       `json:"out_order_no,omitempty"`
	Amount     money.Amount `json:"amount,omitempty"`
	Claimed    money.Amount `json:"claimed,omitempty"`
	NotifyURL  string       `json:"notify_url,omitempty"`
	FundTrans  bool         `json:"fund_trans,omitempty"` // of the newer product
}

func (c *control) addRedPacket(p controlRedPacket) (any, error) {
	url, err := c.noticesTo(p.NotifyURL)
	if err != nil {
		return nil, err
	}
	added := c.alipay.AddRedPacket(alipaytest.RedPacket{
		AuthNo: p.AuthNo, OutOrderNo: p.OutOrderNo, Amount: p.Amount, Claimed: p.Claimed, NotifyURL: url, FundTrans: p.FundTrans,
	})
	return controlRedPacket{added.AuthNo, added.OutOrderNo, added.Amount, added.Claimed, added.NotifyURL, added.FundTrans}, nil
}

type controlPreAuth struct {
	AuthNo     string       `json:"auth_no"`
	OutOrderNo string       `json:"out_order_no,omitempty"`
	Amount     money.Amount `json:"amount,omitempty"`
	Paid       money.Amount `json:"paid,omitempty"`
	NotifyURL  string       `json:"notify_url,omitempty"`
}

func (c *control) addPreAuth(p controlPreAuth) (any, error) {
	url, err := c.noticesTo(p.NotifyURL)
	if err != nil {
		return nil, err
	}
	added := c.alipay.AddPreAuth(alipaytest.PreAuth{AuthNo: p.AuthNo, OutOrderNo: p.OutOrderNo, Amount: p.Amount, Paid: p.Paid, NotifyURL: url})
	return controlPreAuth{added.AuthNo, added.OutOrderNo, added.Amount, added.Paid, added.NotifyURL}, nil
}

type controlOrder struct {
	OutTradeNo   string       `json:"out_trade_no"`
	OutRequestNo string       `json:"out_request_no,omitempty"`
	Amount       money.Amount `json:"amount,omitempty"`
	Succeeded    bool         `json:"succeeded,omitempty"`
}

// pay lets the buyer pay a trade that waits.
func (c *control) pay(o controlOrder) (any, error) {
	c.alipay.Pay(o.OutTradeNo)
	return o, nil
}

// refundAtConsole refunds as a person does at Alipay's console.
func (c *control) refundAtConsole(o controlOrder) (any, error) {
	o.OutRequestNo = c.alipay.RefundAtConsole(o.OutTradeNo, o.Amount)
	return o, nil
}

// depositBack lets the bank of a refund answer.
func (c *control) depositBack(o controlOrder) (any, error) {
	return map[string]bool{"asked": c.alipay.DepositBack(o.OutTradeNo, o.OutRequestNo, o.Succeeded)}, nil
}

type controlFault struct {
	Kind    string `json:"kind"`
	Method  string `json:"method,omitempty"`
	Delay   string `json:"delay,omitempty"`
	SubCode string `json:"sub_code,omitempty"`
}

// inject plans a fault for the next call or notice that it matches.
func (c *control) inject(f controlFault) (any, error) {
	var delay time.Duration
	if f.Delay != "" {
		var err error
		if delay, err = time.ParseDuration(f.Delay); err != nil {
			return nil, fmt.Errorf("delay wants a duration such as 3s")
		}
	}
	for _, kind := range faultKinds() {
		if kind.String() == f.Kind {
			c.alipay.Inject(alipaytest.Fault{Kind: kind, Method: f.Method, Delay: delay, SubCode: f.SubCode})
			return f, nil
		}
	}
	return nil, fmt.Errorf("kind must be one of: %s", strings.Join(faultNames(), ", "))
}

// faultKinds are those that a server can make: whether a connection is refused is not
// its own to say.
func faultKinds() (kinds []alipaytest.FaultKind) {
	for kind := range alipaytest.FaultKind(255) {
		if name := kind.String(); name != "" && !strings.HasPrefix(name, "FaultKind(") && kind != alipaytest.Refused {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

func faultNames() (names []string) {
	for _, kind := range faultKinds() {
		names = append(names, kind.String())
	}
	return names
}

type controlClock struct {
	Advance string `json:"advance"`
}

// advance moves the fake's clock, and delivers what falls due on the way.
func (c *control) advance(asked controlClock) (any, error) {
	d, err := time.ParseDuration(asked.Advance)
	if err != nil || d < 0 {
		return nil, fmt.Errorf("advance wants a duration such as 25h")
	}
	c.alipay.Advance(d)
	return asked, nil
}

type controlRotation struct{}

// rotate has Alipay sign with its next certificate.
func (c *control) rotate(controlRotation) (any, error) {
	if c.alipay.AlipayCertificate() == "" {
		return nil, fmt.Errorf("the fake is not in certificate mode (-certificates)")
	}
	c.alipay.RotateCertificate()
	return map[string]string{"alipay_certificate": c.alipay.AlipayCertificate()}, nil
}

type controlMovement struct {
	At           time.Time    `json:"at"`
	Kind         string       `json:"kind"`
	OutTradeNo   string       `json:"out_trade_no,omitempty"`
	AuthNo       string       `json:"auth_no,omitempty"`
	OutRequestNo string       `json:"out_request_no"`
	Amount       money.Amount `json:"amount"`
}

// movements are what really happened.
func (c *control) movements() any {
	all := []controlMovement{}
	for _, m := range c.alipay.Movements() {
		all = append(all, controlMovement{m.At, string(m.Kind), m.OutTradeNo, m.AuthNo, m.OutRequestNo, m.Amount})
	}
	return all
}

type controlNotice struct {
	NotifyID     string            `json:"notify_id"`
	URL          string            `json:"url"`
	Params       map[string]string `json:"params"`
	Posts        int               `json:"posts"`
	LastStatus   int               `json:"last_status,omitempty"` // of the answer to the last post
	Acknowledged bool              `json:"acknowledged"`
}

func (c *control) notices() any {
	all := []controlNotice{}
	for _, n := range c.alipay.Notices() {
		shown := controlNotice{NotifyID: n.ID, URL: n.URL, Params: n.Params, Posts: len(n.Deliveries), Acknowledged: n.Acknowledged}
		if shown.Posts > 0 {
			shown.LastStatus = n.Deliveries[shown.Posts-1].Status
		}
		all = append(all, shown)
	}
	return all
}

type controlCall struct {
	At         time.Time       `json:"at"`
	Method     string          `json:"method"`
	BizContent json.RawMessage `json:"biz_content,omitempty"`
	Fault      string          `json:"fault,omitempty"`
	Status     int             `json:"status,omitempty"`
	Answer     string          `json:"answer,omitempty"`
}

func (c *control) calls() any {
	all := []controlCall{}
	for _, call := range c.alipay.Calls() {
		shown := controlCall{At: call.At, Method: call.Method, Fault: call.Fault.String(), Status: call.Status, Answer: call.Answer}
		if json.Valid([]byte(call.BizContent)) {
			shown.BizContent = json.RawMessage(call.BizContent)
		}
		all = append(all, shown)
	}
	return all
}

// index says what there is, for whoever looks with a browser.
func (c *control) index() any {
	return map[string]any{
		"app_id": c.alipay.AppID(), "seller_id": c.alipay.SellerID(), "alipay_public_key": c.alipay.AlipayPublicKey(),
		"get": slices.Sorted(maps.Keys(c.gets())), "post": slices.Sorted(maps.Keys(c.posts())), "faults": slices.Sorted(slices.Values(faultNames())),
	}
}
