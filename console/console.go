// Package console is the page on which people look after refunds: search and filter them,
// read the history of each in plain words, see what is unresolved, since when and why a
// person is wanted, ask Alipay, deliver again, and decide.
//
//	console.Mount(m, r.Group("/ops"), requireStaff)
//
// It is a package of its own: who does not mount it does not link it. All of it is in the
// binary, works without JavaScript and asks nobody else for anything. It shows English and
// Chinese, by the browser's wish or by a switch.
//
// The guard decides who may look. It names the actor by [alirefund.SetActor], and who may
// also act by [Grant], and who may approve refunds by [alirefund.GrantApproval]; without
// a name and one of the two, all is read-only. What is done stands in the refund's
// history, with the actor.
package console

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/internal/guarding"
	"github.com/alirefund/alirefund/store"
)

// Engine is what the console needs of one application: an [alirefund.Module] is one, and
// so is what its For returns.
type Engine interface {
	AppID() string
	Logger() *slog.Logger
	Backlog(ctx context.Context) (store.Backlog, error)
	List(ctx context.Context, f store.Filter) ([]store.Refund, error)
	Recorded(ctx context.Context, id string) (store.Refund, error)
	Ask(ctx context.Context, id, actor string) (alirefund.Result, error)
	Redeliver(ctx context.Context, id string, event store.Event, actor string) (bool, error)
	Resolve(ctx context.Context, id string, outcome store.State, actor, reason string) (alirefund.Result, error)
	Approve(ctx context.Context, id, actor string) (alirefund.Result, error)
	Decline(ctx context.Context, id, actor, reason string) (alirefund.Result, error)
}

var _ Engine = (*alirefund.Module)(nil)

// keys of gin.Context.
const (
	grantKey = "alirefund.console.grant"
	depthKey = "alirefund.console.depth"
)

// Grant lets who asks act: ask Alipay, deliver again, decide about what is unresolved. A
// guard calls it, beside [alirefund.SetActor], for those who may.
func Grant(c *gin.Context) { c.Set(grantKey, true) }

// named tells whether who asks has a name, without which nobody acts.
func named(c *gin.Context) bool { return strings.TrimSpace(alirefund.Actor(c)) != "" }

// Option changes what [Mount] mounts.
type Option func(*console)

// Location is whose time the pages show; UTC+8 unless told otherwise, for Alipay's
// own pages do so. nil means that, too.
func Location(l *time.Location) Option {
	return func(s *console) {
		if l != nil {
			s.zone = l
		}
	}
}

// Apps lets the console show several applications. list returns the app_ids that who asks
// may see, the first of which is shown first; of returns the engine of one, as
// [alirefund.Module]'s For does.
func Apps(list func(*gin.Context) []string, of func(ctx context.Context, appID string) (Engine, error)) Option {
	return func(s *console) { s.list, s.of = list, of }
}

// Mount adds the pages to r, a group such as r.Group("/ops"), behind guard, which aborts
// the context to refuse. Neither e nor guard may be nil, or it panics, at start-up and not
// at night: [alirefund.AlreadyProtected] says that the group has a guard.
//
// The pages know each other by relative addresses, so that they may stand behind a proxy
// that takes a part of the path away. A POST that comes from another site is refused.
func Mount(e Engine, r gin.IRouter, guard gin.HandlerFunc, options ...Option) {
	if e == nil || guard == nil {
		panic("console: Mount wants an engine and a guard; alirefund.AlreadyProtected says that the group has one")
	}
	s := &console{
		zone: time.FixedZone("UTC+8", 8*60*60),
		list: func(*gin.Context) []string { return []string{e.AppID()} },
		of:   func(context.Context, string) (Engine, error) { return e, nil },
	}
	for _, option := range options {
		option(s)
	}
	unaborted := func(c *gin.Context) {
		e.Logger().WarnContext(c.Request.Context(), "the console's guard has answered and not aborted; the request goes no further", "status", c.Writer.Status())
	}
	at := func(method, path string, last gin.HandlerFunc) {
		depth := max(strings.Count(path, "/")-1, 0)
		r.Handle(method, path, append(guarding.Behind(guard, unaborted), func(c *gin.Context) { s.protect(c, depth) }, last)...)
	}
	if group, ok := r.(interface{ BasePath() string }); !ok || !strings.HasSuffix(group.BasePath(), "/") {
		at(http.MethodGet, "", s.addSlash)
	}
	at(http.MethodGet, "/", s.getList)
	at(http.MethodGet, "/export.csv", s.getExport)
	at(http.MethodGet, "/days", s.getDays)
	at(http.MethodGet, "/language", s.getLanguage)
	at(http.MethodGet, "/assets/:name", s.getAsset)
	at(http.MethodGet, "/replay", s.getReplay)
	at(http.MethodPost, "/replay", s.postReplay)
	at(http.MethodGet, "/refunds/:id", s.getRefund)
	for _, a := range actions {
		at(http.MethodGet, "/refunds/:id/"+a.name, func(c *gin.Context) { s.getAction(c, a) })
		at(http.MethodPost, "/refunds/:id/"+a.name, func(c *gin.Context) { s.postAction(c, a) })
	}
}

// console is what is mounted.
type console struct {
	zone  *time.Location
	list  func(*gin.Context) []string
	of    func(ctx context.Context, appID string) (Engine, error)
	guard http.CrossOriginProtection
	days  dayBooks
}

// maxForm is the largest form that is read: a hundred ids and a reason are less.
const maxForm = 64 << 10

// policy lets a page load what this console serves and nothing else, and run nothing that
// stands in it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// protect stands behind the guard, whose own answers are the host's. depth is how many
// folders deep the page is.
func (s *console) protect(c *gin.Context, depth int) {
	c.Set(depthKey, depth)
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
	if err := s.guard.Check(c.Request); err != nil {
		s.fail(c, http.StatusForbidden, "error.foreign")
	}
}

// addSlash leads from /ops to /ops/, whose relative addresses are right.
func (s *console) addSlash(c *gin.Context) {
	path := c.Request.URL.Path
	seeOther(c, "./"+path[strings.LastIndex(path, "/")+1:]+"/")
}

// seeOther leads to an address relative to the request's: net/http's Redirect would make
// it absolute, and behind a proxy that takes a part of the path away it would be wrong.
func seeOther(c *gin.Context, to string) {
	c.Header("Location", to)
	c.Status(http.StatusSeeOther)
	c.Writer.WriteHeaderNow()
	c.Abort()
}
