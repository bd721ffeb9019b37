// Package host_test mounts the module in an application that does to its requests what
// applications do: cross-origin rules, sessions, logged bodies, compression, and settings
// of Gin's and of its validator that are not the usual ones.
package host_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gin-contrib/cors"
	"github.com/gin-contrib/gzip"
	"github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/cookie"
	"github.com/gin-gonic/gin"
	"github.com/gin-gonic/gin/binding"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/console"
	"github.com/alirefund/alirefund/internal/shoptest"
)

const origin = "https://admin.shop.test" // of the host's own pages

// app is an application with a module, on a socket.
type app struct {
	*shoptest.Shop
	server *httptest.Server
	client *http.Client
	logged []string // the bodies of requests
	paid   int
}

func newApp(t *testing.T, overHTTP2 bool) *app {
	a := &app{Shop: shoptest.NewShop(t)}
	r := gin.New()
	r.RemoveExtraSlash, r.UseRawPath, r.UnescapePathValues = true, true, false
	r.HandleMethodNotAllowed, r.ContextWithFallback = true, true
	r.Use(
		gin.Recovery(),
		cors.New(cors.Config{AllowOrigins: []string{origin}, AllowMethods: []string{"GET", "POST"}, AllowHeaders: []string{"Content-Type"}, AllowCredentials: true}),
		gzip.Gzip(gzip.BestSpeed, gzip.WithDecompressFn(gzip.DefaultDecompressHandle)),
		sessions.Sessions("shop", cookie.NewStore([]byte("a secret of the test's"))),
		a.log,
	)
	r.POST("/login", func(c *gin.Context) {
		session := sessions.Default(c)
		session.Set("who", c.PostForm("who"))
		if err := session.Save(); err != nil {
			t.Error(err)
		}
		c.Status(http.StatusNoContent)
	})
	guard := func(c *gin.Context) {
		who, _ := sessions.Default(c).Get("who").(string)
		if who == "" {
			c.AbortWithStatus(http.StatusUnauthorized)
			return
		}
		alirefund.SetActor(c, who)
		console.Grant(c)
	}
	group := r.Group("/alipay")
	a.Module.MountRefunds(group, guard)
	a.Module.MountNotify(group)
	group.GET("/openapi.json", alirefund.OpenAPI)
	console.Mount(a.Module, r.Group("/ops"), guard)
	r.GET("/readyz", a.Module.Ready)
	r.POST("/pay/notify", a.Module.Notifications(), func(c *gin.Context) {
		if n, ok := alirefund.NotificationFrom(c); ok && n.OutTradeNo() == shoptest.Order {
			a.paid++
			c.String(http.StatusOK, "success")
		}
	})
	a.Router = r
	a.Alipay.HandleNotices(r)
	a.server = httptest.NewUnstartedServer(r)
	if a.server.EnableHTTP2 = overHTTP2; overHTTP2 {
		a.server.StartTLS()
	} else {
		a.server.Start()
	}
	t.Cleanup(a.server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	a.client = a.server.Client()
	a.client.Jar = jar
	return a
}

// log reads the body of a request and gives the next handler another, and keeps what is
// answered.
func (a *app) log(c *gin.Context) {
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		a.T.Error(err)
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	a.logged = append(a.logged, string(body))
	answer := &copied{ResponseWriter: c.Writer}
	c.Writer = answer
	c.Next()
}

type copied struct {
	gin.ResponseWriter
	text bytes.Buffer
}

func (w *copied) Write(data []byte) (int, error) {
	w.text.Write(data)
	return w.ResponseWriter.Write(data)
}

// send asks over the socket, as a page of the host's does.
func (a *app) send(method, path, kind, body string, header ...string) (status int, text string, answered http.Header) {
	a.T.Helper()
	request, err := http.NewRequestWithContext(a.T.Context(), method, a.server.URL+path, strings.NewReader(body))
	if err != nil {
		a.T.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	request.Header.Set("Origin", origin)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := a.client.Do(request)
	if err != nil {
		a.T.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		a.T.Fatal(err)
	}
	return response.StatusCode, string(got), response.Header
}

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// refusing is a validator of the host's that lets nothing pass.
type refusing struct{}

func (refusing) ValidateStruct(any) error { return errors.New("the host's validator was asked") }
func (refusing) Engine() any              { return nil }

func TestEveryRouteInAHostileHost(t *testing.T) {
	usual, unknown, number := binding.Validator, binding.EnableDecoderDisallowUnknownFields, binding.EnableDecoderUseNumber
	t.Cleanup(func() {
		binding.Validator, binding.EnableDecoderDisallowUnknownFields, binding.EnableDecoderUseNumber = usual, unknown, number
	})
	binding.EnableDecoderDisallowUnknownFields, binding.EnableDecoderUseNumber = true, true
	if v, ok := usual.Engine().(interface{ SetTagName(name string) }); ok {
		v.SetTagName("check")
		t.Cleanup(func() { v.SetTagName("binding") })
	} else {
		t.Error("Gin's validator has no tag")
	}
	for name, validator := range map[string]binding.StructValidator{"another tag": usual, "refuses all": refusing{}, "none": nil} {
		binding.Validator = validator
		t.Run(name, everyRoute)
	}
}

func everyRoute(t *testing.T) {
	a := newApp(t, false)
	a.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 88_88, NotifyURL: "http://shop.test/pay/notify"})
	packet := a.Alipay.AddRedPacket(alipaytest.RedPacket{Amount: 10_00})
	frozen := a.Alipay.AddPreAuth(alipaytest.PreAuth{Amount: 20_00})
	expect := func(method, path, kind, body string, status int, want string, header ...string) string {
		t.Helper()
		got, text, answered := a.send(method, path, kind, body, header...)
		if got != status || !strings.Contains(text, want) {
			t.Errorf("%s %s: %d, want %d and %q:\n%s", method, path, got, status, want, text)
		}
		if answered.Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("%s %s: the host's own header is gone", method, path)
		}
		return text
	}

	expect("POST", "/alipay/refunds", asJSON, shoptest.Partly, 401, "")
	expect("OPTIONS", "/alipay/refunds", "", "", 204, "", "Access-Control-Request-Method", "POST")
	expect("POST", "/login", asForm, "who=lin", 204, "")

	expect("POST", "/alipay/refunds", asJSON, shoptest.Partly, 200, `"state":"succeeded"`)
	if !slices.Contains(a.logged, shoptest.Partly) {
		t.Error("the host's log did not see the body")
	}
	expect("POST", "/alipay/refunds", asJSON, `{"out_trade_no":"x"}`, 422, `"pointer":"/refund_amount"`)
	expect("POST", "/alipay/coupon-refunds", asJSON, `{"auth_no":"`+packet.AuthNo+`","out_order_no":"`+packet.OutOrderNo+`","out_request_no":"P1","amount":"1","remark":"r"}`, 200, `"state":"succeeded"`)
	expect("POST", "/alipay/unfreezes", asJSON, `{"auth_no":"`+frozen.AuthNo+`","out_order_no":"`+frozen.OutOrderNo+`","out_request_no":"U1","amount":"1","remark":"r"}`, 200, `"state":"succeeded"`)
	expect("GET", "/alipay/refunds?out_trade_no="+shoptest.Order, "", "", 200, `"out_request_no":"R1"`)
	id := a.Last().ID
	expect("GET", "/alipay/refunds/"+id, "", "", 200, `"actor":"lin"`)
	expect("GET", "/alipay/refunds/rf_none", "", "", 404, `"not_found"`)
	expect("GET", "/alipay/openapi.json", "", "", 200, `"openapi": "3.1`)
	expect("GET", "/readyz", "", "", 200, `"ready":true`)

	expect("GET", "/ops/", "", "", 200, id)
	expect("GET", "/ops/refunds/"+id, "", "", 200, "lin")
	expect("GET", "/ops/days", "", "", 200, "<svg")
	expect("GET", "/ops/export.csv", "", "", 200, id)
	expect("POST", "/ops/refunds/"+id+"/deliver?event=refund_succeeded", asForm, "", 200, id) // and the page it leads to
	expect("POST", "/ops/refunds/"+id+"/deliver?event=refund_succeeded", asForm, "", 403, "", "Sec-Fetch-Site", "cross-site")

	elsewhere := shoptest.RefundNotice(map[string]string{"out_biz_no": "R2", "notify_id": "2026112200222095137035011452559225", "refund_fee": "9.88"})
	expect("POST", "/alipay/notify", asForm, a.Alipay.SignedNotice(elsewhere), 200, "success")
	expect("POST", "/alipay/gateway", asForm, a.Payment(), 200, "success")
	expect("POST", "/pay/notify", asForm, a.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"refund_fee": "0.00", "gmt_refund": "-", "notify_id": "2026112200222095137035011452559226"})), 200, "success")
	if a.paid != 1 {
		t.Errorf("the host was paid %d times", a.paid)
	}
	expect("POST", "/alipay/notify", asForm, a.Payment()+"0", 400, `"code":"`)
	a.ExpectMoved("R1=8.88 P1=1.00 U1=1.00")
}

// Whoever decompresses nothing gets the seven bytes, on both mounts and from both hands.
// What is no acknowledgement is compressed; and over HTTP/2 an acknowledgement, too, which
// says so.
func TestAcknowledgementIsNotCompressed(t *testing.T) {
	t.Run("HTTP/1.1", func(t *testing.T) { acknowledgements(t, newApp(t, false), "", "success") })
	t.Run("HTTP/2", func(t *testing.T) { acknowledgements(t, newApp(t, true), "gzip", "\x1f\x8b") })
}

func acknowledgements(t *testing.T, a *app, encoding, begins string) {
	a.Trade()
	notice := func(n string, change map[string]string) string {
		change["notify_id"] = "202611220022209513703501145255922" + n
		return a.Alipay.SignedNotice(shoptest.RefundNotice(change))
	}
	refund := func(n string) string { return notice(n, map[string]string{}) }
	payment := func(n string) string { return notice(n, map[string]string{"refund_fee": "0.00", "gmt_refund": "-"}) }
	again := payment("5")
	for _, call := range []struct{ name, path, body string }{
		{"a refund, by MountNotify", "/alipay/notify", refund("1")},
		{"a payment, by MountNotify", "/alipay/notify", payment("2")},
		{"a payment, at the gateway's address", "/alipay/gateway", payment("3")},
		{"a refund, by Notifications", "/pay/notify", refund("4")},
		{"a payment, acknowledged by the host's handler", "/pay/notify", again},
		{"the same again", "/pay/notify", again},
	} {
		status, text, header := a.send("POST", call.path, asForm, call.body, "Accept-Encoding", "gzip")
		if status != 200 || header.Get("Content-Encoding") != encoding || !strings.HasPrefix(text, begins) ||
			encoding == "" && (text != "success" || header.Get("Content-Length") != "7") {
			t.Errorf("%s: %d %q %v", call.name, status, text, header)
		}
	}
	_, text, header := a.send("GET", "/alipay/openapi.json", "", "", "Accept-Encoding", "gzip")
	if header.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(text, "\x1f\x8b") {
		t.Errorf("the host's compression is off: %v", header)
	}
}
