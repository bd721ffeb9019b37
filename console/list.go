package console

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/store"
)

// onPage is how many refunds a page lists.
const onPage = 50

// listBody is what the first page shows.
type listBody struct {
	Query   query
	Shows   []tab
	Kinds   []choice
	Rows    []row
	Next    string // the way to more
	Backlog *backlog
}

// tab is one thing that a list may show.
type tab struct {
	Link, Label string
	Current     bool
}

// choice is one option of a form.
type choice struct {
	Value, Label string
	Chosen       bool
}

// backlog is what is left to do.
type backlog struct {
	store.Backlog
	Age string // of the oldest
}

// row is one refund of a list.
type row struct {
	Link, Order, Number, Amount, State, StateName, Kind, Why, Age, Actor string

	At     time.Time
	Untold bool
}

// getList is the first page.
func (s *console) getList(c *gin.Context) {
	p, ok := s.page(c, "list")
	if !ok {
		return
	}
	ctx, q := c.Request.Context(), readQuery(c.Request.URL.Query())
	some, err := find(ctx, p.engine, q, s.zone, onPage)
	if err != nil {
		s.failFor(c, p, err)
		return
	}
	body := listBody{Query: q}
	for _, show := range shows {
		body.Shows = append(body.Shows, tab{q.Showing(show).String(), p.T("show." + show), show == q.Show})
	}
	for _, kind := range store.Kinds() {
		body.Kinds = append(body.Kinds, choice{string(kind), p.T("kind." + string(kind)), string(kind) == q.Kind})
	}
	for _, r := range some.rows {
		body.Rows = append(body.Rows, p.row(r))
	}
	if some.next != "" {
		body.Next = q.Behind(some.next).String()
	}
	switch left, err := p.engine.Backlog(ctx); {
	case err == nil:
		body.Backlog = &backlog{left, ago(left.Age(), p.Zh)}
	case !errors.Is(err, engine.ErrNoCounter):
		s.failFor(c, p, err)
		return
	}
	p.Title, p.Body = p.T("title"), body
	s.render(c, p, http.StatusOK, "list")
}

func (p *page) row(r store.Refund) row {
	shown := row{
		Link: p.Link("refunds/" + r.ID), Order: clean(cmp.Or(r.Order(), r.TradeNo)), Number: clean(r.OutRequestNo), Amount: p.amount(r),
		State: string(r.State), StateName: p.stateName(r), Kind: p.kind(r.Kind), Why: clean(r.Attention),
		At: r.CreatedAt, Untold: r.Undelivered(), Actor: clean(r.Actor),
	}
	if !r.Settled() {
		shown.Age = ago(r.AsOf.Sub(r.CreatedAt), p.Zh)
	}
	return shown
}

// amount is a refund's, if it is known.
func (p *page) amount(r store.Refund) string {
	if r.Amount == 0 {
		return p.T("unknown")
	}
	return "¥" + r.Amount.String()
}

// kind is in words, if it is no other version's.
func (p *page) kind(k store.Kind) string { return cmp.Or(p.T("kind."+string(k)), clean(string(k))) }

func (p *page) stateName(r store.Refund) string {
	switch {
	case r.NothingSent():
		return p.T("state.not_sent")
	case r.Declined():
		return p.T("state.declined")
	case r.Expired():
		return p.T("state.expired")
	case r.Stage(r.AsOf) == store.StagePromised:
		return p.T("state.promised")
	case r.State == store.Pending && r.Lease.Held(r.AsOf):
		return p.T("state.sending")
	}
	return p.T("state." + string(r.State))
}
