package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// The page at / shows what the module does while it does it: refund something, let
// something go wrong, and see that money moves once and that the shop is told once.

//go:embed demo
var demoFiles embed.FS

// demo is that page, in front of the shop.
type demo struct {
	shop    *shop
	base    string   // the shop's URL
	network *network // nil: it is the real Alipay
	steps   *steps
	again   func() (*alirefund.Module, http.Handler, error) // a module like the last, and what Prometheus reads of it
	launch  func(*alirefund.Module, http.Handler) *life
	run     string // of this run: the page begins anew with each
	closing chan struct{}
	page    *template.Template

	mu  sync.RWMutex // held while the shop is down
	now *life
}

// life is the part of the program that a simulated crash ends: the module and what is
// mounted on it.
type life struct {
	module *alirefund.Module
	routes http.Handler
	end    context.CancelFunc // of its Run
}

// newDemo returns the page. network is nil where there is no fake.
func newDemo(s *shop, base string, n *network) *demo {
	d := &demo{shop: s, base: base, network: n, run: rand.Text()[:8], closing: make(chan struct{})}
	moved := func(subject) int { return -1 }
	if n != nil {
		moved, n.crash = n.moved, d.crash
	}
	d.steps = newSteps(moved)
	if n != nil {
		n.steps = d.steps
	}
	d.page = template.Must(template.ParseFS(demoFiles, "demo/index.html"))
	return d
}

// current is the shop as it runs now. While it is down, whoever wants it waits.
func (d *demo) current() *life {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.now
}

// crash throws the module away in the middle of a call, and makes another over the same
// ledger. What else the old one has begun ends beside it, as another process would.
func (d *demo) crash(of subject) {
	d.steps.add(step{Order: of.order, Number: of.number, Name: "crashed"})
	d.mu.Lock()
	go func() {
		defer d.mu.Unlock()
		d.now.end()
		<-time.After(demoDelay / 6)
		module, metrics, err := d.again()
		if err != nil { // it could be made before
			d.shop.log.Printf("the shop does not start again: %v", err)
			return
		}
		d.now = d.launch(module, metrics)
		d.steps.add(step{Order: of.order, Number: of.number, Name: "restarted"})
	}()
}

// close ends what the page listens to.
func (d *demo) close() { close(d.closing) }

// handler serves the page, and all else by the shop.
func (d *demo) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", d.guard(d.getPage))
	mux.HandleFunc("GET /demo/{file}", d.getFile)
	mux.HandleFunc("GET /demo/steps", d.guard(d.getSteps))
	mux.HandleFunc("POST /demo/refunds", d.guard(d.postRefund))
	if d.network != nil {
		mux.HandleFunc("POST /demo/orders", d.guard(d.postOrder))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if d.network != nil {
			faulty, err := withFaults(r)
			if err != nil {
				http.Error(w, faultHeader+": "+err.Error(), http.StatusBadRequest)
				return
			}
			r = faulty
		}
		d.current().routes.ServeHTTP(w, r)
	})
	return mux
}

// guard lets those pass who are signed in as for the console. Where no money can move and
// only this machine can ask, nobody has to be.
func (d *demo) guard(next http.HandlerFunc) http.HandlerFunc {
	var foreign http.CrossOriginProtection
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case foreign.Check(r) != nil:
			http.Error(w, "this comes from another site", http.StatusForbidden)
		case d.network != nil && isLoopback(strings.TrimPrefix(d.base, "http://")) && isLoopback(r.Host), d.signedIn(r):
			next(w, r)
		case r.URL.Path == "/":
			http.Redirect(w, r, loginPath+"?to=/", http.StatusSeeOther)
		default:
			http.Error(w, "sign in first", http.StatusUnauthorized)
		}
	}
}

func (d *demo) signedIn(r *http.Request) bool {
	c, err := r.Cookie(opsCookie)
	if err != nil {
		return false
	}
	_, ok := d.shop.staff.name(c.Value)
	return ok
}

// isLoopback tells whether a host, with its port or without, is this machine alone. A name
// is not: another site may give its own name this machine's address.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return net.ParseIP(strings.Trim(host, "[]")).IsLoopback() || host == "localhost"
}

// texts are the page's words in one language: English is 0, and Chinese 1.
var texts = func() (words [2]map[string]string) {
	var both map[string][2]string
	text, err := demoFiles.ReadFile("demo/texts.json")
	if err == nil {
		err = json.Unmarshal(text, &both)
	}
	if err != nil {
		panic(err) // it is embedded
	}
	for i := range words {
		words[i] = map[string]string{}
		for name, text := range both {
			words[i][name] = text[i]
		}
	}
	return words
}()

const languageCookie = "demo_language"

// getPage shows the page, in the language that the switch says, else the browser.
func (d *demo) getPage(w http.ResponseWriter, r *http.Request) {
	chosen := r.URL.Query().Get("lang")
	if chosen != "" {
		http.SetCookie(w, &http.Cookie{Name: languageCookie, Value: chosen[:min(2, len(chosen))], Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil}) //nolint:gosec // no secret
	} else if c, err := r.Cookie(languageCookie); err == nil {
		chosen = c.Value
	}
	language := 0
	if strings.HasPrefix(strings.ToLower(cmp.Or(chosen, r.Header.Get("Accept-Language"))), "zh") {
		language = 1
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = d.page.Execute(w, map[string]any{ // the client is gone
		"T": texts[language], "Lang": [...]string{"en", "zh-CN"}[language], "Other": [...]string{"zh", "en"}[language],
		"Fake": d.network != nil, "Ops": opsPath + "/",
	})
}

// getFile serves what the page loads.
func (d *demo) getFile(w http.ResponseWriter, r *http.Request) {
	types := map[string]string{".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
	kind := types[path.Ext(r.PathValue("file"))]
	text, err := fs.ReadFile(demoFiles, "demo/"+r.PathValue("file"))
	if err != nil || kind == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", kind+"; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(text)
}

// getSteps tells, as server-sent events, what has happened and what happens. After each
// call of a hook come the orders as they stand then.
func (d *demo) getSteps(w http.ResponseWriter, r *http.Request) {
	to := http.NewResponseController(w)
	_ = to.SetReadDeadline(time.Time{}) // what is to be read was read
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	run, seen, _ := strings.Cut(r.Header.Get("Last-Event-ID"), "-")
	n, _ := strconv.Atoi(seen)
	if run != d.run {
		n = 0
	}
	_, _ = fmt.Fprintf(w, "event: run\ndata: %s\n\n", d.run)
	beat := time.NewTicker(15 * time.Second)
	defer beat.Stop()
	for orders := true; ; {
		all, news := d.steps.since(n)
		for _, s := range all {
			n = s.N
			orders = orders || s.Name == "hook" || s.Name == "order"
			if s.Name != "order" {
				writeEvent(w, "step", d.run+"-"+strconv.Itoa(n), s)
			}
		}
		if orders {
			orders = false
			list, err := d.orders(r.Context())
			if err != nil {
				return
			}
			writeEvent(w, "orders", "", list)
		}
		if to.Flush() != nil {
			return
		}
		select {
		case <-news:
		case <-beat.C:
			_, _ = io.WriteString(w, ": still here\n\n")
		case <-d.closing:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func writeEvent(w io.Writer, event, id string, data any) {
	text, _ := json.Marshal(data) // nothing in it fails
	if id != "" {
		_, _ = fmt.Fprintf(w, "id: %s\n", id)
	}
	_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, text)
}

// offer is an order as the page shows it.
type offer struct {
	order
	// Claimed is what somebody has taken from a red packet, and cannot be given back.
	Claimed money.Amount `json:"claimed,omitempty"`
}

func (d *demo) orders(ctx context.Context) ([]offer, error) {
	list, err := d.shop.orders.list(ctx)
	offers := make([]offer, len(list))
	for i, o := range list {
		offers[i].order = *o
		for _, p := range redPackets {
			if d.network != nil && o.AuthNo == p.AuthNo && o.AuthNo != "" {
				offers[i].Claimed = p.Claimed
			}
		}
	}
	return offers, err
}

// postRefund makes the refund through the shop's own route, with the staff's token, which
// the browser does not know. It always answers 200, and says in the body what the route
// answered: nothing, status 0, if the shop crashed.
func (d *demo) postRefund(w http.ResponseWriter, r *http.Request) {
	route := "/alipay/refunds"
	if r.URL.Query().Get("kind") == string(store.Coupon) {
		route = "/alipay/coupon-refunds"
	}
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, d.base+route, http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	request.Header.Set("Authorization", "Bearer "+d.shop.staffToken)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(faultHeader, r.Header.Get(faultHeader))
	var said struct {
		Status int             `json:"status"`
		Body   json.RawMessage `json:"body,omitempty"`
	}
	if answer, err := http.DefaultClient.Do(request); err == nil {
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
		if said.Status = answer.StatusCode; err != nil {
			said.Status = 0
		}
		if said.Body = body; !json.Valid(body) {
			said.Body, _ = json.Marshal(map[string]string{"detail": string(body)})
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(said) // the client is gone
}

// postOrder lets somebody buy something in the fake.
func (d *demo) postOrder(w http.ResponseWriter, r *http.Request) {
	digits, err := rand.Int(rand.Reader, big.NewInt(1e9))
	if err == nil {
		number, total := fmt.Sprintf("%s%09d", time.Now().Format("20060102"), digits), money.Amount(128_00)
		d.network.fake.AddTrade(alipaytest.Trade{OutTradeNo: number, Total: total, NotifyURL: d.base + payNotifyPath})
		err = d.shop.orders.add(r.Context(), store.Trade, number, total)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	d.steps.add(step{Name: "order"})
	w.WriteHeader(http.StatusNoContent)
}
