package console

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/text/language"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/store"
)

//go:embed pages assets
var files embed.FS

// pages are the templates, each with the layout around it.
var pages = func() map[string]*template.Template {
	all := map[string]*template.Template{}
	for _, name := range []string{"list", "refund", "action", "replay", "days", "error"} {
		all[name] = template.Must(template.ParseFS(files, "pages/layout.html", "pages/rows.html", "pages/"+name+".html"))
	}
	return all
}()

// page is what every template has.
type page struct {
	Root  string // the way to the console's first page
	Zh    bool
	App   string   // the application that is shown
	Apps  []string // those that may be
	Actor string

	MayAct, MayApprove bool

	Nav    string
	Title  string
	Zone   string
	Here   string // this page, seen from Root
	Notice string // what was just done

	Body any // the page's own

	engine Engine
	zone   *time.Location
}

// page returns what every page has, for the application that the request names. ok is
// false if that has been answered with an error.
func (s *console) page(c *gin.Context, nav string) (p *page, ok bool) {
	p = s.blank(c, nav)
	apps := s.list(c)
	p.App = cmp.Or(c.Query("app"), append(apps, "")[0])
	if len(apps) > 1 {
		p.Apps = apps
	}
	if !slices.Contains(apps, p.App) {
		s.failOn(c, p, http.StatusNotFound, "error.app")
		return nil, false
	}
	var err error
	if p.engine, err = s.of(c.Request.Context(), p.App); err != nil {
		s.failFor(c, p, err)
		return nil, false
	}
	return p, true
}

func (s *console) blank(c *gin.Context, nav string) *page {
	depth := c.GetInt(depthKey)
	p := &page{
		Root: cmp.Or(strings.Repeat("../", depth), "./"), Zh: wantsChinese(c), Actor: clean(alirefund.Actor(c)), MayAct: c.GetBool(grantKey) && named(c), MayApprove: alirefund.MayApprove(c) && named(c),
		Nav: nav, zone: s.zone,
	}
	parts := strings.Split(c.Request.URL.EscapedPath(), "/")
	p.Here = strings.Join(parts[max(0, len(parts)-1-depth):], "/")
	if c.Request.URL.RawQuery != "" {
		p.Here += "?" + c.Request.URL.RawQuery
	}
	p.Zone = time.Now().In(s.zone).Format("UTC-07:00")
	return p
}

// T is the text of that name, in the page's language.
func (p *page) T(name string) string { return texts[name].In(p.Zh) }

// Lang is the page's language.
func (p *page) Lang() string {
	if p.Zh {
		return "zh-CN"
	}
	return "en"
}

// With are rows for the template that shows them.
func (p *page) With(rows []row) any {
	return struct {
		Page *page
		Rows []row
	}{p, rows}
}

// Asset is the address of a file, which changes with it.
func (p *page) Asset(name string) string { return p.Root + "assets/" + assetNames[name] }

// Switch leads to this page in the other language.
func (p *page) Switch() string {
	to := "zh"
	if p.Zh {
		to = "en"
	}
	return p.Root + "language?" + url.Values{"to": {to}, "back": {p.Here}}.Encode()
}

// Link is an address within the console, of the application that is shown.
func (p *page) Link(to string) string {
	if len(p.Apps) == 0 {
		return p.Root + to
	}
	file, query, _ := strings.Cut(to, "?")
	q, _ := url.ParseQuery(query) // written by this package
	q.Set("app", p.App)
	return p.Root + file + "?" + q.Encode()
}

// Time writes a time; nothing for none.
func (p *page) Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(p.zone).Format("2006-01-02 15:04:05")
}

// Stamp writes a time for machines.
func (p *page) Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// render writes a page.
func (s *console) render(c *gin.Context, p *page, status int, name string) {
	var b bytes.Buffer
	if err := pages[name].ExecuteTemplate(&b, "layout.html", p); err != nil {
		if p.engine != nil {
			p.engine.Logger().ErrorContext(c.Request.Context(), "a page of the console could not be made", "page", name, "error", err)
		}
		c.AbortWithStatus(http.StatusInternalServerError)
		return
	}
	c.Data(status, "text/html; charset=utf-8", b.Bytes())
	c.Abort()
}

// failFor answers with what went wrong.
func (s *console) failFor(c *gin.Context, p *page, err error) {
	status, name := http.StatusInternalServerError, "error.unforeseen"
	var decided *alirefund.NotAwaitingError
	switch {
	case errors.Is(err, store.ErrNotFound):
		status, name = http.StatusNotFound, "error.unknown"
	case errors.Is(err, alirefund.ErrUnknownApp):
		status, name = http.StatusNotFound, "error.app"
	case errors.Is(err, alirefund.ErrSelfApproval):
		status, name = http.StatusForbidden, "error.self"
	case errors.As(err, &decided):
		status, name = http.StatusConflict, "error.decided"
	case errors.Is(err, alirefund.ErrNotPending):
		status, name = http.StatusConflict, "error.settled"
	case errors.Is(err, alirefund.ErrStore), errors.Is(err, alirefund.ErrAppUnavailable):
		status, name = http.StatusServiceUnavailable, "error.store"
	}
	if status >= http.StatusInternalServerError && p.engine != nil {
		p.engine.Logger().WarnContext(c.Request.Context(), "the console could not show or do something", "error", err)
	}
	s.failOn(c, p, status, name)
}

// fail is failOn for a request of which nothing is known yet.
func (s *console) fail(c *gin.Context, status int, name string) {
	s.failOn(c, s.blank(c, ""), status, name)
}

func (s *console) failOn(c *gin.Context, p *page, status int, name string) {
	p.Title, p.Body = p.T("error"), p.T(name)
	s.render(c, p, status, "error")
}

const languageCookie = "alirefund_console_language"

var languages = language.NewMatcher([]language.Tag{language.English, language.Chinese})

// wantsChinese is what the switch says, else the browser.
func wantsChinese(c *gin.Context) bool {
	if chosen, err := c.Cookie(languageCookie); err == nil && chosen != "" {
		return chosen == "zh"
	}
	_, i := language.MatchStrings(languages, c.GetHeader("Accept-Language"))
	return c.GetHeader("Accept-Language") != "" && i == 1
}

// getLanguage remembers a language. The cookie has no path, so that it is this folder's,
// wherever a proxy shows it.
func (s *console) getLanguage(c *gin.Context) {
	to := "en"
	if c.Query("to") == "zh" {
		to = "zh"
	}
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // no secret, and a host may serve plain HTTP behind a proxy
		Name: languageCookie, Value: to, MaxAge: 365 * 24 * 60 * 60, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: c.Request.TLS != nil,
	})
	seeOther(c, "./"+strings.TrimLeft(c.Query("back"), `/\`)) // whatever that says, it is an address of this site's
}

// assets are the files that pages load, by names that change with them, which assetNames
// has by their own.
var assets, assetNames = func() (map[string][]byte, map[string]string) {
	list, err := files.ReadDir("assets")
	if err != nil {
		panic(err) // it is embedded
	}
	data, names := map[string][]byte{}, map[string]string{}
	for _, file := range list {
		content, err := files.ReadFile("assets/" + file.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		name := hex.EncodeToString(sum[:6]) + "-" + file.Name()
		data[name], names[file.Name()] = content, name
	}
	return data, names
}()

// assetTypes are theirs by their endings: the machine's own list may know others.
var assetTypes = map[string]string{".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

func (s *console) getAsset(c *gin.Context) {
	data, known := assets[c.Param("name")]
	if !known {
		s.fail(c, http.StatusNotFound, "error.page")
		return
	}
	c.Header("Cache-Control", "private, max-age=31536000, immutable")
	c.Data(http.StatusOK, assetTypes[path.Ext(c.Param("name"))], data)
}
