package limit_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/contrib/limit"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

const (
	alipay   = "203.0.113.9"
	attacker = "198.51.100.7"
)

func newNotices(t testing.TB, config limit.NoticesConfig) *limit.Notices {
	t.Helper()
	n, err := limit.NewNotices(config)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// guarded is a shop whose notify route is limited.
type guarded struct {
	*shoptest.Shop
	notices *limit.Notices
	router  *gin.Engine
	forged  string // a notification whose signature does not verify
}

func newGuarded(t *testing.T, config limit.NoticesConfig) *guarded {
	t.Helper()
	g := &guarded{Shop: shoptest.NewShop(t), notices: newNotices(t, config), router: gin.New()}
	g.forged = strings.Replace(g.payment(0), "8.88", "9.99", 1)
	if err := g.router.SetTrustedProxies([]string{"127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	g.Module.MountNotify(g.router.Group("/alipay", g.notices.Handle))
	return g
}

// readable tells whether a body was read.
type readable struct {
	io.Reader
	read bool
}

func (r *readable) Read(p []byte) (int, error) {
	r.read = true
	return r.Reader.Read(p)
}

// post posts a body from an address, and tells whether it was read.
func (g *guarded) post(from, body string, header ...string) (answer *httptest.ResponseRecorder, read bool) {
	r := &readable{Reader: strings.NewReader(body)}
	request := httptest.NewRequest(http.MethodPost, "/alipay/notify", r)
	request.RemoteAddr = net.JoinHostPort(from, "443")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer = httptest.NewRecorder()
	g.router.ServeHTTP(answer, request)
	return answer, r.read
}

func (g *guarded) expect(from, body string, want int) {
	g.T.Helper()
	if answer, _ := g.post(from, body); answer.Code != want {
		g.T.Errorf("%s: %d %s, want %d", from, answer.Code, answer.Body, want)
	}
}

// flood posts so many forgeries at once, and returns what they were answered after the
// last.
func (g *guarded) flood(from string, n int) map[int]int {
	var (
		all     sync.WaitGroup
		mu      sync.Mutex
		answers = map[int]int{}
	)
	for range n {
		all.Go(func() {
			answer, read := g.post(from, g.forged)
			mu.Lock()
			defer mu.Unlock()
			answers[answer.Code]++
			if answer.Code == http.StatusTooManyRequests && (read || answer.Header().Get("Retry-After") != "3" || answer.Header().Get("Connection") != "close") {
				g.T.Errorf("body read: %v; %v, want Retry-After 3 and the connection's end", read, answer.Header())
			}
		})
	}
	all.Wait()
	return answers
}

// payment is the notification of a payment by its number.
func (g *guarded) payment(number int) string {
	return g.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{
		"refund_fee": "0.00", "gmt_refund": "-", "notify_id": fmt.Sprintf("2026112200222095137035011452%06d", number),
	}))
}

// Whoever forges uses up his tokens and then his turn in the lane, and nobody else's.
func TestForgeriesAreLimited(t *testing.T) { synctest.Test(t, forgeriesAreLimited) }

func forgeriesAreLimited(t *testing.T) {
	g := newGuarded(t, limit.NoticesConfig{Tokens: 3, Per: time.Minute, Lane: 1})
	// Three tokens; in the lane one at once, and one in each of the two seconds that
	// the rest may wait.
	if got := g.flood(attacker, 10); got[403] != 6 || got[429] != 4 {
		t.Errorf("answered %v, want six 403 and four 429", got)
	}
	want := limit.NoticeCounts{Refused: 6, Waited: 3, Limited: 4, Addresses: 1}
	if got := g.notices.Counts(); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	began := time.Now()
	g.expect("192.0.2.1", g.forged, 403) // somebody else's first
	g.expect(alipay, g.payment(1), 200)
	if took := time.Since(began); took != 0 {
		t.Errorf("others waited for %v", took)
	}
	// A token is back after twenty seconds, and all of them after a minute.
	time.Sleep(20 * time.Second)
	began = time.Now()
	g.expect(attacker, g.forged, 403)
	time.Sleep(time.Minute)
	for range 3 {
		g.expect(attacker, g.forged, 403)
	}
	if waited := g.notices.Counts().Waited; waited != 3 || time.Since(began) != time.Minute {
		t.Errorf("%d waited, want the three of before", waited)
	}
}

// Requests under way count before anybody knows what they are, so that many at once, or
// slow ones, gain nothing.
func TestNotificationsUnderWayAreLimited(t *testing.T) { synctest.Test(t, underWayAreLimited) }

func underWayAreLimited(t *testing.T) {
	n := newNotices(t, limit.NoticesConfig{Tokens: 3, Lane: 1})
	r := gin.New()
	r.POST("/", n.Handle, func(c *gin.Context) {
		time.Sleep(10 * time.Second)
		c.Status(http.StatusForbidden)
	})
	limited := 0
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			w := httptest.NewRecorder()
			r.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", http.NoBody))
			mu.Lock()
			defer mu.Unlock()
			if w.Code == http.StatusTooManyRequests {
				limited++
			}
		})
	}
	all.Wait()
	if limited != 94 {
		t.Errorf("%d were limited, want all but the three with a token and three of the lane", limited)
	}
}

// An address that a genuine notification came from is never refused, whatever comes from
// it beside: behind a proxy that gin does not trust all have one address.
func TestKnownAddressIsNeverLimited(t *testing.T) { synctest.Test(t, knownAddressIsNeverLimited) }

func knownAddressIsNeverLimited(t *testing.T) {
	g := newGuarded(t, limit.NoticesConfig{Tokens: 1, Lane: 1})
	g.expect(alipay, g.payment(0), 200)
	for day := range 20 {
		if got := g.flood(alipay, 50); got[403] != 50 {
			t.Errorf("answered %v, want 403 alone", got)
		}
		g.expect(alipay, g.payment(day), 200)
		time.Sleep(24 * time.Hour) // known again, each time
	}
	time.Sleep(7 * 24 * time.Hour)
	if got := g.flood(alipay, 50); got[429] == 0 {
		t.Errorf("answered %v: a week later it is known no more", got)
	}
	if got := g.notices.Counts(); got.Genuine != 21 {
		t.Errorf("counted %+v", got)
	}
}

// A flood that is not above the lane's pace refuses nobody, not even at an address that
// was never genuine, and which the attacker shares.
func TestFirstGenuineNotificationInAFlood(t *testing.T) {
	synctest.Test(t, firstGenuineInAFlood)
}

func firstGenuineInAFlood(t *testing.T) {
	g := newGuarded(t, limit.NoticesConfig{Tokens: 1, Lane: 10})
	var all sync.WaitGroup
	for range 10 * 60 {
		time.Sleep(100 * time.Millisecond)
		all.Go(func() { g.expect(alipay, g.forged, 403) })
	}
	g.expect(alipay, g.payment(1), 200)
	all.Wait()
	if got := g.notices.Counts(); got.Limited != 0 || got.Waited < 599 {
		t.Errorf("counted %+v", got)
	}
}

// In a flood that is above it, notifications from an address that was never genuine are
// refused, as chance has it; but the first that gets through opens the address, and those
// that were refused come again.
func TestFirstGenuineNotificationOpensTheAddress(t *testing.T) {
	synctest.Test(t, firstGenuineOpensTheAddress)
}

func firstGenuineOpensTheAddress(t *testing.T) {
	g := newGuarded(t, limit.NoticesConfig{Tokens: 1, Lane: 5})
	chance := rand.New(rand.NewPCG(1, 2))
	upTo := func(d time.Duration) time.Duration { return time.Duration(chance.Int64N(int64(d))) }
	var flood, posts sync.WaitGroup
	over := make(chan struct{})
	flood.Go(func() { // fifty forgeries a second, ten times the lane
		pause := rand.New(rand.NewPCG(3, 4))
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Duration(pause.Int64N(int64(40 * time.Millisecond)))):
				posts.Go(func() { g.post(alipay, "a=b") })
			}
		}
	})
	time.Sleep(10 * time.Second)
	var refused []int
	for n := 1; ; n++ {
		answer, _ := g.post(alipay, g.payment(n))
		if answer.Code == http.StatusOK {
			break
		}
		refused = append(refused, n)
		time.Sleep(time.Second + upTo(time.Second))
		if n == 500 {
			t.Fatal("none of 500 got through a flood of ten times the lane")
		}
	}
	if len(refused) == 0 {
		t.Error("the flood refused nobody")
	}
	for _, n := range refused {
		g.expect(alipay, g.payment(n), 200)
	}
	close(over)
	flood.Wait()
	posts.Wait()
	t.Logf("%d were refused before the first got through", len(refused))
}

// Of IPv6 a /64 is one client; an IPv4 address written as IPv6 is that address.
func TestWhoIsOneClient(t *testing.T) { synctest.Test(t, whoIsOneClient) }

func whoIsOneClient(t *testing.T) {
	g := newGuarded(t, limit.NoticesConfig{Tokens: 2, Lane: 1})
	for _, from := range []string{"2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:db8:1:3::1", "::ffff:198.51.100.7", "198.51.100.7"} {
		g.expect(from, g.forged, 403)
	}
	if got := g.notices.Counts(); got.Addresses != 3 || got.Waited != 0 {
		t.Errorf("counted %+v, want three addresses", got)
	}
	g.expect("2001:db8:1:2:3::4", g.forged, 403)
	if got := g.notices.Counts(); got.Addresses != 3 || got.Waited != 1 {
		t.Errorf("counted %+v, want that the first network's third one waits", got)
	}
}

// Who may name another client address is gin's to say.
func TestTrustedProxies(t *testing.T) { synctest.Test(t, trustedProxies) }

func trustedProxies(t *testing.T) {
	g := newGuarded(t, limit.NoticesConfig{})
	for i := range 3 {
		g.post("127.0.0.1", g.forged, "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i)) // the host's own proxy
		g.post(attacker, g.forged, "X-Forwarded-For", fmt.Sprintf("192.0.3.%d", i))
	}
	if got := g.notices.Counts().Addresses; got != 4 {
		t.Errorf("%d addresses, want the proxy's three and the attacker", got)
	}
}

// The host's own answer to a genuine notification costs nothing, whatever it is, and
// neither does its panic.
func TestHostsAnswerCostsNothing(t *testing.T) { synctest.Test(t, hostsAnswerCostsNothing) }

func hostsAnswerCostsNothing(t *testing.T) {
	g := newGuarded(t, limit.NoticesConfig{})
	answer := func(c *gin.Context) { c.Status(http.StatusForbidden); c.Writer.WriteHeaderNow() }
	g.router.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.AbortWithStatus(500) }))
	g.router.POST("/pay", g.notices.Handle, g.Module.Notifications(), func(c *gin.Context) { answer(c) })
	pay := func(number int) int {
		request := httptest.NewRequest(http.MethodPost, "/pay", strings.NewReader(g.payment(number)))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		g.router.ServeHTTP(w, request)
		return w.Code
	}
	if got := pay(1); got != 403 {
		t.Errorf("answered %d", got)
	}
	answer = func(*gin.Context) { panic("the host's bug") }
	if got := pay(2); got != 500 {
		t.Errorf("answered %d", got)
	}
	if got := g.notices.Counts(); got.Genuine != 2 || got.Refused != 0 {
		t.Errorf("counted %+v, want two genuine ones", got)
	}
}

// Who is limited is answered at once, though the rest of his body never comes, and his
// connection is closed.
func TestLimitedBodyIsNotWaitedFor(t *testing.T) {
	n := newNotices(t, limit.NoticesConfig{Tokens: 1, Lane: 1, Per: time.Hour})
	r := gin.New()
	r.POST("/alipay/notify", n.Handle, func(c *gin.Context) { c.Status(http.StatusForbidden) })
	server := httptest.NewServer(r)
	defer server.Close()
	var flood sync.WaitGroup
	defer flood.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 8 { // which keeps the lane full
		flood.Go(func() {
			for ctx.Err() == nil {
				request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/alipay/notify", http.NoBody)
				request.RemoteAddr = "127.0.0.1:1"
				r.ServeHTTP(httptest.NewRecorder(), request)
			}
		})
	}
	for range 10 { // now and then a turn is free all the same
		if limited, err := dribble(server.Listener.Addr().String()); limited {
			if err != nil {
				t.Errorf("the connection is not closed: %v", err)
			}
			return
		}
	}
	t.Error("never answered by 429")
}

// dribble sends some of a body, and tells whether 429 came at once, and whether then the
// connection failed to end.
func dribble(address string) (limited bool, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST /alipay/notify HTTP/1.1\r\nHost: shop\r\nContent-Length: 60000\r\n\r\na=b")
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusTooManyRequests {
		return false, nil
	}
	_, err = io.Copy(io.Discard, in) // to the connection's end
	return true, err
}

// Whoever has all of IPv6 fills no memory: who finds no room shares the lane.
func TestManyAddressesFillNoMemory(t *testing.T) {
	n := newNotices(t, limit.NoticesConfig{Lane: 1_000_000})
	r := gin.New()
	r.POST("/", n.Handle, func(c *gin.Context) { c.Status(http.StatusForbidden) })
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	request := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
	before := heap()
	const flood = 200_000
	for i := range flood {
		request.RemoteAddr = fmt.Sprintf("[2001:db8:%x:%x::1]:443", i>>16, i&0xffff)
		r.ServeHTTP(httptest.NewRecorder(), request)
	}
	grown := int64(heap()) - int64(before)
	got := n.Counts()
	t.Logf("%d addresses take %d KiB", got.Addresses, grown>>10)
	if got.Addresses != 1<<14 || got.Refused != flood || got.Waited != flood-1<<14 {
		t.Errorf("counted %+v", got)
	}
	if grown > 16<<20 {
		t.Errorf("they take %d KiB", grown>>10)
	}
}

// Addresses that were quiet make room.
func TestQuietAddressesAreForgotten(t *testing.T) { synctest.Test(t, quietAddressesAreForgotten) }

func quietAddressesAreForgotten(t *testing.T) {
	n := newNotices(t, limit.NoticesConfig{Per: time.Minute, Lane: 1_000_000})
	r := gin.New()
	r.POST("/", n.Handle, func(c *gin.Context) { c.Status(http.StatusForbidden) })
	request := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
	for i := range 1 << 14 {
		request.RemoteAddr = fmt.Sprintf("[2001:db8:0:%x::1]:443", i)
		r.ServeHTTP(httptest.NewRecorder(), request)
	}
	time.Sleep(2 * time.Minute)
	request.RemoteAddr = attacker + ":443"
	r.ServeHTTP(httptest.NewRecorder(), request)
	if got := n.Counts(); got.Addresses != 1 || got.Waited != 0 {
		t.Errorf("counted %+v, want one address", got)
	}
}

// What a forgery costs where it is looked at, and where it is limited: the usual one, and
// the worst that fits.
func BenchmarkForged(b *testing.B) {
	alipay := alipaytest.New(alipaytest.Config{})
	sign := shoptest.Must(signer.FromPEM(alipay.AppPrivateKey()))
	m := shoptest.Must(alirefund.New(alirefund.Config{
		App:    alirefund.App{ID: alipay.AppID(), Signer: sign, Verifier: shoptest.Must(signer.VerifierFromPEM(alipay.AlipayPublicKey()))},
		Store:  store.NewMemory(),
		Logger: slog.New(slog.DiscardHandler),
	}))
	forged := strings.Replace(alipay.SignedNotice(shoptest.RefundNotice(nil)), "8.88", "9.99", 1)
	worst := forged + "&z=&alipay_cert_sn=1&padding=" + strings.Repeat("a", 60<<10)
	gone, cancel := context.WithCancel(b.Context())
	cancel()
	for _, bench := range []struct {
		name, body string
		config     limit.NoticesConfig
		ctx        context.Context // gone: who has to wait does not
	}{
		{"usual/looked at", forged, limit.NoticesConfig{Tokens: math.MaxInt}, b.Context()},
		{"usual/limited", forged, limit.NoticesConfig{Tokens: 1, Lane: 1}, gone},
		{"worst/looked at", worst, limit.NoticesConfig{Tokens: math.MaxInt}, b.Context()},
		{"worst/limited", worst, limit.NoticesConfig{Tokens: 1, Lane: 1}, gone},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := gin.New()
			m.MountNotify(r.Group("/alipay", newNotices(b, bench.config).Handle))
			b.ReportAllocs()
			for b.Loop() {
				request, _ := http.NewRequestWithContext(bench.ctx, http.MethodPost, "/alipay/notify", strings.NewReader(bench.body))
				request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				request.RemoteAddr = attacker + ":443"
				r.ServeHTTP(httptest.NewRecorder(), request)
			}
		})
	}
}
