package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/store"
)

// mostReplayed is how many refunds are delivered again at once, and replayTime how long
// that may take: the hooks are waited for.
const (
	mostReplayed = 100
	replayTime   = 20 * time.Second
)

// replayBody is what would be delivered again, or was.
type replayBody struct {
	Query  query
	Back   string
	To     []choice // whom it may be for
	Whom   string   // it is for
	Rows   []row
	IDs    []string
	Next   string // the way to more
	Done   bool
	Told   int
	Failed []row // whose hook failed again, or of which it is no longer true
	Left   int   // that were not begun for want of time
}

// getReplay shows what would be delivered once more.
func (s *console) getReplay(c *gin.Context) {
	p, ok := s.page(c, "list")
	if !ok {
		return
	}
	if !p.MayAct {
		s.failOn(c, p, http.StatusForbidden, "error.readonly")
		return
	}
	q, to := readQuery(c.Request.URL.Query()), c.Query("to")
	q.Order = "oldest"
	some, err := find(c.Request.Context(), p.engine, q, s.zone, mostReplayed)
	if err != nil {
		s.failFor(c, p, err)
		return
	}
	b := replayBody{Query: q, Back: q.Begin().String(), Whom: to}
	names := []string{"", to}
	for _, r := range some.rows {
		for _, event := range r.Subscribed {
			_, name := event.Split()
			names = append(names, name)
		}
		if r.True(mainEvent(r).For(to)) {
			b.Rows, b.IDs = append(b.Rows, p.row(r)), append(b.IDs, r.ID)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		b.To = append(b.To, choice{name, p.who(name), name == to})
	}
	if some.next != "" {
		b.Next = q.Behind(some.next).String() + "&" + url.Values{"to": {to}}.Encode()
	}
	p.Title, p.Body = p.T("replay"), b
	s.render(c, p, http.StatusOK, "replay")
}

// postReplay delivers once more what was shown, refund by refund.
func (s *console) postReplay(c *gin.Context) {
	p, ok := s.page(c, "list")
	if !ok {
		return
	}
	if !p.MayAct {
		s.failOn(c, p, http.StatusForbidden, "error.readonly")
		return
	}
	q, to := readQuery(c.Request.URL.Query()), c.PostForm("to")
	b := replayBody{Query: q, Back: q.Begin().String(), Done: true}
	ids := c.PostFormArray("id")
	ids = ids[:min(len(ids), mostReplayed)]
	until := time.Now().Add(replayTime)
	for n, id := range ids {
		if time.Now().After(until) {
			b.Left = len(ids) - n
			break
		}
		r, told, err := replayOne(c.Request.Context(), p.engine, id, to, alirefund.Actor(c))
		if err != nil {
			s.failFor(c, p, err)
			return
		}
		if told {
			b.Told++
		} else {
			b.Failed = append(b.Failed, p.row(r))
		}
	}
	p.Title, p.Body = p.T("replay"), b
	s.render(c, p, http.StatusOK, "replay")
}

// replayOne tells whether whom it is for has heard of it; a named subscriber is not waited
// for.
func replayOne(ctx context.Context, e Engine, id, to, actor string) (store.Refund, bool, error) {
	r, err := e.Recorded(ctx, id)
	if err != nil {
		return r, false, err
	}
	event := mainEvent(r).For(to)
	done, err := e.Redeliver(ctx, id, event, actor)
	if err != nil || !done {
		return r, false, err
	}
	r, err = e.Recorded(ctx, id)
	return r, err == nil && (to != "" || r.WasDelivered(event)), err
}

// mainEvent is what became of a refund.
func mainEvent(r store.Refund) store.Event {
	if r.State == store.Failed {
		return store.RefundFailed
	}
	return store.RefundSucceeded
}
