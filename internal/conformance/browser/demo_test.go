package browser_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// example is the program, built once.
var example = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "example_app")
	if err != nil {
		return "", err
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-o", dir, ".")
	build.Dir, build.Env = "../../../example_app", append(os.Environ(), "GOWORK=off")
	if text, err := build.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("%w\n%s", err, text)
	}
	return filepath.Join(dir, "example_app"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := example(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// demo is the page where it is open to all, with its orders.
func demo(t *testing.T, language string, flags ...string) *desk {
	t.Helper()
	d := shopOf(t, language, flags...)
	d.await("document.querySelector('.order .num')")
	return d
}

// shopOf runs the example, and opens the page whose address is the first that it prints.
func shopOf(t *testing.T, language string, flags ...string) *desk {
	t.Helper()
	path, err := example()
	if err != nil {
		t.Fatal(err)
	}
	program := exec.CommandContext(context.WithoutCancel(t.Context()), path, append([]string{"-addr", "127.0.0.1:0", "-staff-token", "letmein"}, flags...)...)
	out, err := program.StdoutPipe()
	program.Stderr = t.Output()
	if err == nil {
		err = program.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "http://127.0.0.1:") {
		t.Fatalf("it begins with %q, %v", line, err)
	}
	rest := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, lines); close(rest) }()
	d := &desk{Shop: &shoptest.Shop{T: t}, dir: t.TempDir()}
	t.Cleanup(func() {
		_ = program.Process.Signal(os.Interrupt)
		<-rest
		if err := program.Wait(); err != nil {
			t.Errorf("the program ended: %v", err)
		}
	})
	d.base, _, _ = strings.Cut(line, " ")
	d.browse(language)
	d.visit("")
	return d
}

// await waits until something is true on the page.
func (d *desk) await(what string) {
	d.T.Helper()
	ctx, cancel := context.WithTimeout(d.ctx, 45*time.Second)
	defer cancel()
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+what+")"))
		if err == nil && is {
			return
		}
		if err == nil {
			err = chromedp.Do(ctx, chromedp.Sleep(50*time.Millisecond))
		}
		if err != nil {
			d.picture("failed")
			d.T.Fatalf("%s: %v\n%s", what, err, d.text())
		}
	}
}

// choose chooses something of the form by its name and value.
func (d *desk) choose(name, value string) {
	d.T.Helper()
	d.do(chromedp.Click(fmt.Sprintf(`input[name=%q][value=%q]`, name, value)))
}

// refund presses the button, and waits until the newest refund has seen all these steps.
func (d *desk) refund(steps ...string) {
	d.T.Helper()
	d.do(chromedp.Click("#go"))
	d.seen(steps...)
}

func (d *desk) seen(steps ...string) {
	d.T.Helper()
	for _, step := range steps {
		d.await(fmt.Sprintf(`document.querySelector(".refund[open] li[data-step=%s]")`, step))
	}
}

// steps are those of the newest refund, in order.
func (d *desk) steps() string {
	d.T.Helper()
	return get(d, chromedp.Evaluate[string](`[...document.querySelectorAll(".refund[open] li")].map(l => l.dataset.step).join(" ")`))
}

// once compares what the newest refund has come to: how often money moved, and how often
// the shop's code was told.
func (d *desk) once() {
	d.T.Helper()
	if score := get(d, chromedp.Evaluate[string](`[...document.querySelectorAll(".refund[open] dd")].slice(0, 2).map(e => e.textContent).join(" ")`)); score != "1× 1×" {
		d.T.Errorf("money moved, and the code was told: %s, by %s", score, d.steps())
	}
	d.says("The promise holds")
}

func TestDemo(t *testing.T) {
	d := demo(t, "en")
	t.Run("in part", func(t *testing.T) {
		d := d.in(t)
		d.do(chromedp.SetValue("input[name=amount]", "12.34"))
		d.refund("done", "acknowledged")
		if steps := d.steps(); steps != "recorded sent answer settled hook done answered notice verified acknowledged" {
			t.Error(steps)
		}
		d.once()
		d.says("¥12.34", "left ¥186.66 / ¥199.00")
	})
	for fault, steps := range map[string]string{
		"lost-answer":  "recorded sent answer settled ask told settled hook done answered notice verified acknowledged",
		"late-answer":  "recorded sent notice verified settled hook done acknowledged answer answered",
		"late-request": "recorded sent answer settled ask told settled answered arrived notice verified settled hook done acknowledged",
		"crash":        "recorded sent crashed restarted notice verified settled hook done acknowledged",
	} {
		t.Run(fault, func(t *testing.T) {
			d := d.in(t)
			d.another()
			d.choose("call", fault)
			d.refund("done", "acknowledged")
			if fault == "late-answer" {
				d.seen("answered")
			}
			if got := d.steps(); got != steps {
				t.Errorf("the steps are\n%s, want\n%s", got, steps)
			}
			d.once()
			d.picture("demo-" + fault)
			d.choose("call", "")
		})
	}
	t.Run("whole, and tampered with", func(t *testing.T) {
		d := d.in(t)
		d.another()
		d.choose("much", "whole")
		d.choose("notice", "tampered-notice")
		d.refund("done", "acknowledged")
		if steps := d.steps(); !strings.HasSuffix(steps, "tampered refused notice verified acknowledged") {
			t.Error(steps)
		}
		d.once()
		d.says("¥128.00", "the signature does not fit", "nothing left")
		d.choose("notice", "tampered-notice")
	})
	t.Run("a red packet, twice", func(t *testing.T) {
		d := d.in(t)
		d.choose("which", "2018081710002001860231318891")
		d.choose("notice", "notice-twice")
		d.refund("done", "duplicate")
		if steps := d.steps(); !strings.HasSuffix(steps, "notice verified acknowledged notice verified duplicate") || strings.Count(steps, "hook") != 1 {
			t.Error(steps)
		}
		d.once()
		d.do(chromedp.Click(`//details[@open]//button[text()="Ask for the same again"]`))
		d.await(`document.querySelector(".refund[open] li:last-child").dataset.step == "answered"`)
		d.says("answered from the ledger")
		d.once()
		d.choose("notice", "notice-twice")
	})
	t.Run("refused", func(t *testing.T) {
		d := d.in(t)
		d.choose("which", "")
		d.do(chromedp.SetValue("input[name=order]", "nobody-knows"), chromedp.Click("#go"))
		d.seen("done")
		d.says("no money moved", "ACQ.TRADE_NOT_EXIST")
	})
	t.Run("invalid", func(t *testing.T) {
		d := d.in(t)
		d.do(chromedp.SetValue("input[name=amount]", "x"), chromedp.Click("#go"))
		d.says("Give an amount")
		if at := d.focused(); at != "amount" {
			t.Errorf("one is at %q", at)
		}
		d.do(chromedp.SetValue("input[name=amount]", "9.90"))
	})
	t.Run("hostile", func(t *testing.T) {
		d := d.in(t)
		const evil = `<img src=x onerror=alert(1)><script>alert(2)</script>😀`
		d.do(chromedp.Click(".more summary"), chromedp.SetValue("input[name=order]", evil), chromedp.SetValue("input[name=number]", evil), chromedp.SetValue("input[name=reason]", evil+"\u202e"), chromedp.Click("#go"))
		d.await(`document.querySelector(".refund[open] .ids")?.textContent == ` + strconv.Quote(evil+evil))
		d.seen("done")
		d.do(chromedp.SetValue("input[name=order]", evil+"\u202e"), chromedp.Click("#go"))
		d.await(`document.querySelector("#said").textContent.includes("U+202E")`)
		if n := get(d, chromedp.Evaluate[int](`document.querySelectorAll("main img, main script").length`)); n != 0 {
			t.Errorf("%d elements were made of text", n)
		}
		if text := get(d, chromedp.Evaluate[string](`code("a\u202e\u0007👩‍💻").textContent`)); text != "a[U+202E][U+0007]👩‍💻" {
			t.Errorf("%q", text)
		}
	})
}

// in is the same desk, for a part of a test.
func (d *desk) in(t *testing.T) *desk {
	return &desk{Shop: &shoptest.Shop{T: t}, base: d.base, ctx: d.ctx, dir: d.dir}
}

// another buys something, and chooses it.
func (d *desk) another() {
	d.T.Helper()
	before := get(d, chromedp.Evaluate[string](`JSON.stringify([...document.querySelectorAll(".order input")].map(i => i.value))`))
	d.do(chromedp.Click("#buy"))
	d.await(fmt.Sprintf(`[...document.querySelectorAll(".order input")].some(i => !%s.includes(i.value) && (i.click(), true))`, before))
}

// All of it can be done by keyboard alone.
func TestDemoByKeyboard(t *testing.T) {
	d := demo(t, "en")
	d.do(chromedp.KeyEvent(kb.Tab))
	if words := d.focused(); words != "Skip to the content" {
		t.Errorf("the first stop is %q", words)
	}
	d.do(chromedp.KeyEvent(kb.Enter))
	d.tabTo("which")
	d.do(chromedp.KeyEvent(kb.ArrowUp), chromedp.KeyEvent(kb.ArrowUp)) // past the order of one fen
	d.tabTo("call")
	d.do(chromedp.KeyEvent(kb.ArrowDown)) // the answer is lost
	d.tabTo("notice")
	d.do(chromedp.KeyEvent(" ")) // and the notice comes twice
	d.tabTo("Refund")
	d.do(chromedp.KeyEvent(kb.Enter))
	d.seen("done", "duplicate")
	if steps := d.steps(); steps != "recorded sent answer settled ask told settled hook done answered notice verified acknowledged notice verified duplicate" {
		t.Error(steps)
	}
	d.once()
}

// Everybody can use it, in both languages, light and dark, on a telephone and on a desk;
// and it is light.
func TestEverybodyCanUseTheDemo(t *testing.T) {
	script, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		missing(t, "the npm package axe-core is not installed (make axe)")
	}
	for language, h1 := range map[string]string{"en": "One refund, one callback.", "zh-CN": "一笔退款，一次回调。"} {
		t.Run(language, func(t *testing.T) {
			d := demo(t, language)
			d.says(h1)
			d.choose("call", "lost-answer")
			d.choose("notice", "tampered-notice")
			d.refund("done", "acknowledged")
			for _, look := range []struct {
				width  int64
				scheme string
			}{{1280, "light"}, {1280, "dark"}, {375, "light"}, {375, "dark"}} {
				d.wide(look.width)
				call(d, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}})
				time.Sleep(400 * time.Millisecond) // colours change slowly
				for _, f := range d.axe(string(script)) {
					for _, node := range f.Nodes {
						t.Errorf("%s, %d px: %s (%s): %s\n%s", look.scheme, look.width, f.ID, f.Impact, node.FailureSummary, node.HTML)
					}
				}
				if over := get(d, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`)); over > 0 {
					t.Errorf("%d px: %d px too wide", look.width, over)
				}
				d.picture(fmt.Sprintf("demo-%s-%s-%d", language, look.scheme, look.width))
			}
		})
	}
}

// The page is small, and the first step of a refund is there soon.
func TestWeightOfTheDemo(t *testing.T) {
	d := demo(t, "zh-CN")
	text := get(d, chromedp.Evaluate[string](`JSON.stringify(["navigation", "resource"].flatMap(k => performance.getEntriesByType(k)).map(e => ({name: e.name, size: e.transferSize})))`))
	var loaded []struct {
		Name string
		Size int
	}
	if err := json.Unmarshal([]byte(text), &loaded); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, l := range loaded {
		total += l.Size
	}
	const most = 150_000
	took := get(d, chromedp.Evaluate[int](`new Promise(done => {
		const began = performance.now();
		new MutationObserver(() => document.querySelector("li") && done(Math.round(performance.now() - began))).observe($("refunds"), {childList: true, subtree: true});
		$("go").click();
	})`, chromedp.EvalAwaitPromise))
	t.Logf("%d requests and the steps', %d bytes; the first of a refund is seen after %d ms", len(loaded), total, took)
	if total == 0 || total > most {
		t.Errorf("%d bytes: %s", total, text)
	}
}

// With a real Alipay one signs in first, and nothing can be broken.
func TestDemoOfARealAlipay(t *testing.T) {
	alipay := alipaytest.New(alipaytest.Config{})
	alipay.AddTrade(alipaytest.Trade{OutTradeNo: "real-1", Total: 60_00})
	dir := t.TempDir()
	for name, text := range map[string]string{"app.pem": alipay.AppPrivateKey(), "alipay.txt": alipay.AlipayPublicKey()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gateway, stop, err := alipay.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	d := shopOf(t, "en", "-gateway", gateway, "-app-id", alipay.AppID(), "-private-key", filepath.Join(dir, "app.pem"), "-alipay-public-key", filepath.Join(dir, "alipay.txt"))
	d.says("Staff token")
	d.do(chromedp.SendKeys("input[name=name]", "林晓"), chromedp.SendKeys("input[name=token]", "letmein"))
	d.leave(chromedp.Click("button"))
	d.says("moves money", "the faults are the fake Alipay's alone")
	if there := get(d, chromedp.Evaluate[bool](`Boolean(document.querySelector(".faults, #buy"))`)); there {
		t.Error("something can be broken")
	}
	d.await(`document.querySelector("#link.on")`)
	d.do(chromedp.SendKeys("input[name=order]", "real-1"))
	d.refund("done", "answered")
	d.says("Your code was told once.", "¥9.90")
	if moved := alipay.Movements(); len(moved) != 1 || moved[0].Amount != 9_90 {
		t.Errorf("%+v", moved)
	}
}

// The pictures of the README are there, light, and of the size that TestPictures makes
// them in, which is what a window shows.
func TestPictures(t *testing.T) {
	const width, height, most = 1280, 960, 150_000
	shows := map[string]*desk{"demo": demo(t, "en"), "console": open(t, "en", false)}
	d := shows["demo"]
	d.choose("call", "lost-answer")
	d.choose("notice", "tampered-notice")
	d.refund("done", "acknowledged")
	_, untold := shows["console"].night()
	shows["console"].visit("refunds/" + untold.ID)
	for name, d := range shows {
		call(d, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
		d.do(chromedp.Evaluate[chromedp.Void]("document.activeElement.blur(); scrollTo(0, 0)"), chromedp.Sleep(400*time.Millisecond))
		if folder := os.Getenv("ALIREFUND_SCREENSHOTS"); folder != "" {
			if err := os.WriteFile(filepath.Join(folder, name+".png"), get(d, chromedp.CaptureScreenshot()), 0o600); err != nil {
				t.Error(err)
			}
		}
		text, err := os.ReadFile("../../../docs/pictures/" + name + ".png")
		if err != nil {
			t.Error(err)
			continue
		}
		if c, err := png.DecodeConfig(bytes.NewReader(text)); err != nil || c.Width != width || c.Height != height || len(text) > most {
			t.Errorf("%s: %d bytes of %d x %d, %v", name, len(text), c.Width, c.Height, err)
		}
	}
}
