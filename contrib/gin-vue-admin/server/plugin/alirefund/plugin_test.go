package alirefund_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"
	_ "modernc.org/sqlite"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"

	"github.com/flipped-aurora/gin-vue-admin/server/global"
	_ "github.com/flipped-aurora/gin-vue-admin/server/plugin/alirefund"
	"github.com/flipped-aurora/gin-vue-admin/server/plugin/alirefund/api"
	"github.com/flipped-aurora/gin-vue-admin/server/plugin/alirefund/config"
	"github.com/flipped-aurora/gin-vue-admin/server/plugin/plugin-tool/utils"
	plugins "github.com/flipped-aurora/gin-vue-admin/server/utils/plugin/v2"
)

// admin is as much of gin-vue-admin as a plugin sees.
type admin struct {
	t      *testing.T
	alipay *alipaytest.Alipay
	router *gin.Engine

	mu   sync.Mutex
	told []string
}

func newAdmin(t *testing.T, change func(*config.Config)) *admin {
	t.Helper()
	gin.SetMode(gin.TestMode)
	a := &admin{t: t, alipay: alipaytest.New(alipaytest.Config{}), router: gin.New()}
	db, err := sql.Open("sqlite", "file:"+t.TempDir()+"/gva.db?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	global.GVA_DB, global.GVA_LOG = &global.DB{Pool: db}, &global.Log{}
	global.GVA_CONFIG.System = global.System{DbType: "sqlite", RouterPrefix: "/api"}
	global.GVA_VP = &global.Viper{Unmarshal: func(key string, into any) error {
		c, ok := into.(*config.Config)
		if !ok || key != "alirefund" {
			return errors.New("no such part")
		}
		*c = config.Config{
			AppID: a.alipay.AppID(), PrivateKey: a.alipay.AppPrivateKey(), AlipayPublicKey: a.alipay.AlipayPublicKey(),
			NotifyURL: "http://admin.test/api/alirefund/notify",
		}
		if change != nil {
			change(c)
		}
		return nil
	}}
	config.Change = func(c *alirefund.Config) {
		c.Gateway, c.HTTPClient, c.Logger = alipaytest.GatewayURL, a.alipay.HTTPClient(), slog.New(slog.DiscardHandler)
		c.OnRefundSucceededTx = func(_ context.Context, _ *sql.Tx, e alirefund.RefundSucceeded) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.told = append(a.told, e.Refund.OutRequestNo)
			return nil
		}
	}
	utils.Apis, utils.Menus = nil, nil
	for _, p := range plugins.Registered() {
		p.Register(a.router)
	}
	return a
}

type envelope struct {
	Code   int
	Msg    string
	Status int
	Data   struct{ ID, State, Code, Actor string }
}

func (a *admin) ask(method, path, body string, header ...string) (int, envelope, http.Header) {
	a.t.Helper()
	r := httptest.NewRequestWithContext(a.t.Context(), method, "/api/alirefund"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User", "lin")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	a.router.ServeHTTP(w, r)
	var e envelope
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		a.t.Fatalf("%s %s: %d %q: %v", method, path, w.Code, w.Body, err)
	}
	return w.Code, e, w.Header()
}

const refund = `{"out_trade_no":"order-1","refund_amount":"8.88","out_request_no":"R1"}`

func TestRefundThroughThePlugin(t *testing.T) {
	a := newAdmin(t, nil)
	a.alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 88_88, NotifyURL: "http://admin.test/api/alirefund/notify"})

	status, e, header := a.ask("POST", "/refunds", refund)
	if status != 200 || e.Code != 0 || e.Status != 200 || e.Data.State != "succeeded" {
		t.Errorf("a refund: %d %+v", status, e)
	}
	if passed := strings.Join(header["Passed"], " "); passed != "JWTAuth MustChangePwdGuard CasbinHandler DataScope" {
		t.Errorf("it passed %q", passed)
	}
	id := e.Data.ID
	if _, e, _ = a.ask("GET", "/refunds/"+id, ""); e.Code != 0 || e.Data.ID != id {
		t.Errorf("its record: %+v", e)
	}
	if _, e, _ = a.ask("GET", "/refunds?out_trade_no=order-1", ""); e.Code != 0 {
		t.Errorf("the list: %+v", e)
	}
	status, e, _ = a.ask("POST", "/refunds", strings.Replace(refund, "8.88", "9.99", 1))
	if status != 200 || e.Code != 7 || e.Status != 409 || e.Data.Code != "number_conflict" || e.Msg == "" {
		t.Errorf("a conflict: %d %+v", status, e)
	}
	if _, e, _ = a.ask("POST", "/refunds/"+id+"/approve", ""); e.Status != 409 || e.Data.Code != "not_awaiting_approval" {
		t.Errorf("approved although nobody was asked: %+v", e)
	}
	a.alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order-2", Total: 88_88})
	a.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	a.alipay.InjectRandomly(1, 1, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: "alipay.trade.fastpay.refund.query"})
	if status, e, _ = a.ask("POST", "/refunds", strings.Replace(refund, "order-1", "order-2", 1)); status != 200 || e.Code != 0 || e.Status != 202 || e.Data.State != "pending" {
		t.Errorf("one that nobody knows of: %d %+v", status, e)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.told, []string{"R1"}) {
		t.Errorf("the hook was told of %q", a.told)
	}
}

func TestNobodyPassesTheGuards(t *testing.T) {
	a := newAdmin(t, nil)
	a.alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 88_88})
	for _, guard := range []string{"JWTAuth", "MustChangePwdGuard", "CasbinHandler", "DataScope"} {
		if status, e, _ := a.ask("POST", "/refunds", refund, "Refused-By", guard); status != 200 || e.Code != 7 || e.Msg != guard {
			t.Errorf("%s: %d %+v", guard, status, e)
		}
	}
	if _, e, _ := a.ask("POST", "/refunds", refund, "User", ""); e.Code != 7 || e.Status != 403 {
		t.Errorf("somebody without a name: %+v", e)
	}
	if moved := a.alipay.Movements(); len(moved) != 0 {
		t.Errorf("money moved: %v", moved)
	}
}

func TestPanicBehindTheEnvelope(t *testing.T) {
	r := gin.New()
	r.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.AbortWithStatus(http.StatusInternalServerError) }))
	r.GET("/", api.Envelope, func(*gin.Context) { panic("a bug") })
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("answered %d %q", w.Code, w.Body)
	}
}

// Alipay is not logged in, and hears success and no envelope.
func TestNotificationsPassNoGuard(t *testing.T) {
	a := newAdmin(t, nil)
	trade := a.alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 88_88})
	notice := a.alipay.SignedNotice(map[string]string{
		"notify_type": "trade_status_sync", "notify_id": "2026112200222095137035011452559224", "trade_status": "TRADE_SUCCESS",
		"app_id": a.alipay.AppID(), "seller_id": "2088000000000001", "charset": "UTF-8", "version": "1.0",
		"out_trade_no": "order-1", "trade_no": trade.TradeNo, "total_amount": "88.88", "refund_fee": "8.88",
		"gmt_refund": "2026-11-22 10:00:00.123", "out_biz_no": "R9",
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/alirefund/notify", strings.NewReader(notice))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Refused-By", "JWTAuth")
	w := httptest.NewRecorder()
	a.router.ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != "success" || len(w.Header()["Passed"]) != 0 {
		t.Errorf("%d %q, past %v", w.Code, w.Body, w.Header()["Passed"])
	}
}

// Every private route can be allowed to a role, and nothing else can.
func TestEveryPrivateRouteIsAnAPI(t *testing.T) {
	a := newAdmin(t, nil)
	var mounted, known []string
	for _, r := range a.router.Routes() {
		if !strings.HasSuffix(r.Path, "/notify") && !strings.HasSuffix(r.Path, "/gateway") {
			mounted = append(mounted, r.Method+" "+strings.TrimPrefix(r.Path, "/api"))
		}
	}
	for _, api := range utils.Apis {
		known = append(known, api.Method+" "+api.Path)
	}
	slices.Sort(mounted)
	slices.Sort(known)
	if !slices.Equal(mounted, known) || len(known) == 0 {
		t.Errorf("mounted are %q, known %q", mounted, known)
	}
	script, err := os.ReadFile("../../../web/plugin/alirefund/api/refund.js")
	if err != nil {
		t.Fatal(err)
	}
	calls := regexp.MustCompile("url: ['`]([^'`]+)['`], method: '([a-z]+)'").FindAllStringSubmatch(string(script), -1)
	for _, call := range calls {
		asked := strings.ToUpper(call[2]) + " " + regexp.MustCompile(`\$\{.*\}`).ReplaceAllString(call[1], ":id")
		if !slices.Contains(known, asked) {
			t.Errorf("the page asks %s, which is no route", asked)
		}
	}
	if len(calls) != strings.Count(string(script), "url:") {
		t.Errorf("%d of the page's calls were understood", len(calls))
	}
	if len(utils.Menus) != 1 || utils.Menus[0].Component != "plugin/alirefund/view/refund.vue" {
		t.Errorf("the menus are %+v", utils.Menus)
	}
}

func TestOffWithoutAConfiguration(t *testing.T) {
	for name, change := range map[string]func(*config.Config){
		"no private key": func(c *config.Config) { c.PrivateKey = "" },
		"no public key":  func(c *config.Config) { c.AlipayPublicKey = "" },
		"no app_id":      func(c *config.Config) { c.AppID = "" },
		"another database": func(*config.Config) {
			global.GVA_CONFIG.System.DbType = "mssql"
		},
	} {
		a := newAdmin(t, change)
		if len(a.router.Routes()) != 0 || len(utils.Menus) != 0 || len(global.GVA_LOG.Lines) != 1 {
			t.Errorf("%s: %v, %q", name, a.router.Routes(), global.GVA_LOG.Lines)
		}
	}
}
