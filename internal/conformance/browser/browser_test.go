package browser_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/console"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// desk is a shop with a console, and somebody before a browser that shows it.
type desk struct {
	*shoptest.Shop
	base string // of the console
	ctx  context.Context
	dir  string // where the browser puts what it downloads

	mu      sync.Mutex
	outside []string // requests to anybody else
	errors  []string // of the browser's console
}

// open opens a shop and a browser. read makes its person one who may only look.
func open(t *testing.T, language string, read bool, change ...func(*alirefund.Config)) *desk {
	t.Helper()
	d := &desk{Shop: shoptest.NewShop(t, change...), dir: t.TempDir()}
	console.Mount(d.Module, d.Router.Group("/ops"), func(c *gin.Context) {
		alirefund.SetActor(c, "林晓")
		if !read {
			console.Grant(c)
			alirefund.GrantApproval(c)
		}
	})
	server := httptest.NewServer(d.Router)
	t.Cleanup(server.Close)
	d.base = server.URL + "/ops/"
	d.browse(language)
	return d
}

// browse starts a browser that nobody has used before.
func (d *desk) browse(language string) {
	t := d.T
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium is not installed")
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoFirstRun, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("lang", language), chromedp.Flag("accept-lang", language), chromedp.Env("LANGUAGE=" + language),
	}
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage", "hide-scrollbars"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithListener(d.hear))
	t.Cleanup(cancel)
	d.ctx = ctx
	if err := chromedp.Do(ctx); err != nil { // which starts it
		t.Fatal(err)
	}
	call(d, network.Enable, network.EnableParams{})
	call(d, log.Enable, cdp.Empty{})
	call(d, runtime.Enable, cdp.Empty{})
	call(d, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language}})
	call(d, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: d.dir})
	d.wide(1280)
	t.Cleanup(d.quiet)
}

// call sends a command to the browser.
func call[P, R any](d *desk, command cdp.Command[P, R], params P) {
	d.T.Helper()
	d.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	}))
}

// hear notes what the browser should not have to say.
func (d *desk) hear(event any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, d.base) && url != "about:blank" && !strings.HasPrefix(url, "data:") { // the browser draws its own icons by data:
			d.outside = append(d.outside, url)
		}
	case *log.EventEntryAdded:
		// What a page answers is the test's business.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork || e.Entry.Source == log.EntrySourceSecurity {
			d.errors = append(d.errors, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		d.errors = append(d.errors, e.ExceptionDetails.Text)
	}
}

func (d *desk) quiet() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.outside) > 0 {
		d.T.Errorf("the browser asked others: %q", d.outside)
	}
	if len(d.errors) > 0 {
		d.T.Errorf("the browser complains: %q", d.errors)
	}
}

// do does it, or ends the test with a picture of where it stood.
func (d *desk) do(actions ...chromedp.Action[chromedp.Void]) {
	d.T.Helper()
	ctx, cancel := context.WithTimeout(d.ctx, 45*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		d.picture("failed")
		d.T.Fatal(err)
	}
}

// wide is a window of that width.
func (d *desk) wide(width int64) {
	d.T.Helper()
	height := int64(900)
	if width < 500 {
		height = 812
	}
	call(d, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
}

// go to a page of the console, and wait for it.
func (d *desk) visit(path string) {
	d.T.Helper()
	d.do(chromedp.Navigate(d.base+path), chromedp.WaitVisible("main"))
}

// follow clicks a link or a button by its words, and waits for the page it leads to.
func (d *desk) follow(words string) {
	d.T.Helper()
	d.leave(chromedp.Click(fmt.Sprintf(`//main//*[self::a or self::button][normalize-space()=%q]`, words)))
}

// leave does what leads to another page, and waits for that.
func (d *desk) leave(action chromedp.Action[chromedp.Void]) {
	d.T.Helper()
	ctx, cancel := context.WithTimeout(d.ctx, 45*time.Second)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, action); err != nil {
		d.picture("failed")
		d.T.Fatal(err)
	}
	d.do(chromedp.WaitVisible("main"))
}

// get asks the page.
func get[T any](d *desk, a chromedp.Action[T]) T {
	d.T.Helper()
	ctx, cancel := context.WithTimeout(d.ctx, 45*time.Second)
	defer cancel()
	value, err := chromedp.Run(ctx, a)
	if err != nil {
		d.picture("failed")
		d.T.Fatal(err)
	}
	return value
}

// text is what a person reads on the page.
func (d *desk) text() string {
	d.T.Helper()
	return get(d, chromedp.Evaluate[string]("document.body.innerText"))
}

func (d *desk) says(words ...string) {
	d.T.Helper()
	text := d.text()
	for _, word := range words {
		if !strings.Contains(text, word) {
			d.T.Errorf("the page does not say %q:\n%s", word, text)
		}
	}
}

// picture takes one, if somebody wants to see it.
func (d *desk) picture(name string) {
	folder := os.Getenv("ALIREFUND_SCREENSHOTS")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(d.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		d.T.Log("no picture:", err)
		return
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600); err != nil {
		d.T.Error(err)
	}
}

// missing ends a test for which something is not installed: in continuous
// integration that is a failure, and elsewhere too, unless somebody asked for less.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "true" && os.Getenv("ALIREFUND_CONFORMANCE_SKIP") == "1" {
		t.Skip(what)
	}
	t.Fatalf("%s (ALIREFUND_CONFORMANCE_SKIP=1 leaves it out)", what)
}
