package docs_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund"
)

// constants returns what the constants of a package are, without looking at what it
// imports but the lengths of time.
func constants(t *testing.T, room string) map[string]constant.Value {
	t.Helper()
	fset := token.NewFileSet()
	here, err := build.ImportDir(filepath.Join(top, room), 0)
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range here.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(top, room, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	config := types.Config{Importer: onlyTime{importer.Default()}, Error: func(error) {}}
	pkg, _ := config.Check(room, fset, files, nil) // errors are about what was not imported
	found := map[string]constant.Value{}
	for _, name := range pkg.Scope().Names() {
		if c, is := pkg.Scope().Lookup(name).(*types.Const); is && c.Val().Kind() != constant.Unknown {
			found[name] = c.Val()
		}
	}
	return found
}

// onlyTime imports package time, and of all others no more than the name.
type onlyTime struct{ types.Importer }

func (o onlyTime) Import(name string) (*types.Package, error) {
	if name == "time" {
		return o.Importer.Import(name)
	}
	pkg := types.NewPackage(name, path.Base(name))
	pkg.MarkComplete()
	return pkg, nil
}

// inWords is a length of time as the pages write it: 10 s, 140 s, 20 min, 24 h.
func inWords(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprint(int64(d/time.Hour), " h")
	case d%time.Minute == 0:
		return fmt.Sprint(int64(d/time.Minute), " min")
	}
	return fmt.Sprint(d.Seconds(), " s")
}

// The figures of docs/production.md are those of the code, in both languages.
func TestProductionFigures(t *testing.T) {
	engine, gateway, store, root := constants(t, "engine"), constants(t, "gateway"), constants(t, "store"), constants(t, "")
	length := func(of map[string]constant.Value, name string) time.Duration {
		t.Helper()
		value, found := of[name]
		if !found {
			t.Fatalf("there is no constant %s any more", name)
		}
		n, _ := constant.Int64Val(value)
		return time.Duration(n)
	}
	timeout, hook, ledger := length(gateway, "DefaultTimeout"), length(engine, "defaultHookTimeout"), length(engine, "storeTime")
	patience := 4*timeout + 2*hook + ledger // engine.patience
	inFlight := engine["inFlight"].ExactString()
	english, chinese := read(t, "docs/production.md"), read(t, "docs/production.zh-CN.md")
	english = strings.Join(strings.Fields(english), " ")
	for _, want := range []struct{ english, chinese, figure string }{
		{"| one call to Alipay | % |", "| 调用一次支付宝 | % |", inWords(timeout)},
		{"| one hook | % |", "| 执行一次钩子 | % |", inWords(hook)},
		{"| the store's share of a request | % |", "| 一次请求里留给存储的时间 | % |", inWords(ledger)},
		{"| % = 4 × Timeout + 2 × HookTimeout + 10 s |", "| % = 4 × Timeout + 2 × HookTimeout + 10 s |", inWords(patience)},
		{"| Run, after its context ended | % |", "| ctx 结束后 Run 的收尾 | % |", inWords(patience)},
		{"| first question about an unresolved refund | % |", "| 第一次查询未决的退款 | % |", inWords(length(engine, "defaultFirstCheck"))},
		{"| a request that is lost may still arrive | % |", "| 丢失的请求仍可能到达 | % |", inWords(length(engine, "defaultTransit"))},
		{"| a person is called | % |", "| 通知人工处理 | % |", inWords(length(engine, "defaultAttentionAfter"))},
		{"where it needs one | % |", "的退款等待审批 | % |", inWords(length(engine, "defaultApproval"))},
		{"+ 20 s to record it + the 90 s = **%**", "+ 登记 20 s + 上面的 90 s = **%**", inWords(4*hook + 2*ledger + patience)},
		{"notification's body has % of its own", "通知的请求体另有\n  % 的期限", inWords(length(root, "bodyTime"))},
		{"up to % for the refunds that `Run` asks about", "`Run` 同时查询的退款最多占 % 个", inFlight},
		{"up to % for those whose hooks it calls", "同时执行钩子\n的最多占 % 个", inFlight},
		{"more than % from the database's clock", "超过 % 时", inWords(length(engine, "mostSkew"))},
		{"more than % from Alipay's", "与支付宝相差超过 % 时", inWords(length(engine, "mostAlipaySkew"))},
		{"did not answer within %.", "即存储 % 内没有应答", inWords(length(engine, "lookTime"))},
		{"longer than the %)", "大于那 %）", inWords(length(engine, "lookTime"))},
		{"`Run` looks every % and removes", "`Run` 每 % 清理一次", inWords(length(engine, "pruneEvery"))},
		{"after % at the least", "至少 %，因为", inWords(length(engine, "keepNotifyID"))},
	} {
		for _, page := range []struct{ name, text, sentence string }{{"production.md", english, want.english}, {"production.zh-CN.md", chinese, want.chinese}} {
			if sentence := strings.ReplaceAll(page.sentence, "%", want.figure); !strings.Contains(page.text, sentence) {
				t.Errorf("%s does not say %q", page.name, sentence)
			}
		}
	}
	// Those that the pages write in words.
	for name, want := range map[string]time.Duration{
		"longUnresolved": time.Hour, "longRound": time.Minute, "lookEvery": time.Second, "expiryNotice": 30 * 24 * time.Hour,
	} {
		if got := length(engine, name); got != want {
			t.Errorf("%s is %v: docs/production.md says %v", name, got, want)
		}
	}
	if got := length(store, "orphaned"); got != time.Minute {
		t.Errorf("orphaned is %v: docs/production.md says a minute", got)
	}
	if patience != 90*time.Second {
		t.Errorf("a lease lasts %v: docs/production.md says 90 s", patience)
	}
}

// What the log says of a day that could not be audited stands on the pages, in both languages.
func TestProductionNamesWhyNothingWasAudited(t *testing.T) {
	const line = "a day could not be audited; it is tried again"
	if !strings.Contains(read(t, "engine/audit_run.go"), `"`+line+`"`) {
		t.Errorf("nothing logs %q any more", line)
	}
	for _, page := range []string{"docs/production.md", "docs/production.zh-CN.md"} {
		for _, says := range []string{line, alirefund.ErrNoBillRead.Error(), alirefund.ErrOtherBill.Error(), alirefund.ErrAuditing.Error()} {
			if says = strings.TrimPrefix(says, "alirefund: "); !strings.Contains(read(t, page), "`"+says+"`") {
				t.Errorf("%s says nothing of %q", page, says)
			}
		}
	}
}

// Each code of the readiness probe has its line, in both languages.
func TestProductionNamesEachProblem(t *testing.T) {
	codes := 0
	for name, value := range constants(t, "engine") {
		if !regexp.MustCompile(`^(Problem|NotReady)[A-Z]`).MatchString(name) {
			continue
		}
		codes++
		for _, page := range []string{"docs/production.md", "docs/production.zh-CN.md"} {
			if !strings.Contains(read(t, page), "`"+constant.StringVal(value)+"`") {
				t.Errorf("%s says nothing of %s", page, constant.StringVal(value))
			}
		}
	}
	if codes < 10 {
		t.Errorf("%d codes", codes)
	}
}

var (
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	anchor  = regexp.MustCompile(`\]\(([\w./-]*)#([^)]+)\)`)
)

// Each link into a page leads to a heading of it.
func TestLinksIntoPages(t *testing.T) {
	links := 0
	for _, name := range pages(t, "", "docs", "docs/adr", "docs/errors", "contrib/gin-vue-admin") {
		for _, link := range anchor.FindAllStringSubmatch(read(t, name), -1) {
			page := path.Join(path.Dir(name), link[1])
			if link[1] == "" {
				page = name
			}
			found := false
			for _, title := range heading.FindAllStringSubmatch(read(t, page), -1) {
				slug := strings.ReplaceAll(strings.ToLower(title[1]), " ", "-")
				found = found || regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(slug, "") == link[2]
			}
			if links++; !found {
				t.Errorf("%s links to #%s of %s, which has no such heading", name, link[2], page)
			}
		}
	}
	if links < 40 {
		t.Errorf("%d links", links)
	}
}
