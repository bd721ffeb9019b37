package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/store"
)

// action is something that a person may do to one refund. It is asked for and confirmed
// on a page of its own, and then done by a POST of that page.
type action struct {
	name    string
	granted func(*page) bool
	may     func(store.Refund) bool
	// do does it, for the form that was sent.
	do func(c *gin.Context, p *page, id string) error
}

var actions = []action{
	{
		"approve",
		mayApprove,
		awaits,
		func(c *gin.Context, p *page, id string) error {
			_, err := p.engine.Approve(c.Request.Context(), id, alirefund.Actor(c))
			return approved(err)
		},
	},
	{
		"decline",
		mayApprove,
		awaits,
		func(c *gin.Context, p *page, id string) error {
			_, err := p.engine.Decline(c.Request.Context(), id, alirefund.Actor(c), reason(c))
			return err
		},
	},
	{
		"ask",
		mayAct,
		func(r store.Refund) bool { return r.State == store.Pending },
		func(c *gin.Context, p *page, id string) error {
			_, err := p.engine.Ask(c.Request.Context(), id, alirefund.Actor(c))
			return err
		},
	},
	{
		"resolve",
		mayAct,
		func(r store.Refund) bool { return r.State == store.Pending },
		func(c *gin.Context, p *page, id string) error {
			_, err := p.engine.Resolve(c.Request.Context(), id, store.State(c.PostForm("outcome")), alirefund.Actor(c), reason(c))
			return err
		},
	},
	{
		"deliver",
		mayAct,
		func(r store.Refund) bool { return r.Undelivered() || len(r.Deliveries) > 0 },
		func(c *gin.Context, p *page, id string) error {
			done, err := p.engine.Redeliver(c.Request.Context(), id, store.Event(c.Query("event")), alirefund.Actor(c))
			if err == nil && !done {
				return errUntrue
			}
			return err
		},
	},
}

func mayAct(p *page) bool          { return p.MayAct }
func mayApprove(p *page) bool      { return p.MayApprove }
func awaits(r store.Refund) bool   { return r.State == store.AwaitingApproval }
func reason(c *gin.Context) string { return strings.Join(strings.Fields(c.PostForm("reason")), " ") }

// approved is the error of an approval, but for what became of the refund that is approved.
func approved(err error) error {
	var refused *alirefund.RefusedError
	if errors.Is(err, alirefund.ErrUnresolved) || errors.Is(err, alirefund.ErrNothingSent) || errors.As(err, &refused) {
		return nil
	}
	return err
}

// errUntrue: the event that is to be delivered is not true of the refund any more.
var errUntrue = errors.New("console: the event is not true of the refund")

// actionBody is the page that asks for a confirmation.
type actionBody struct {
	refundBody
	Action, Question, Hint, Do, Back string
	Wrong                            string
	Outcome, Reason                  string // as they were sent
}

// getAction asks whether it is meant.
func (s *console) getAction(c *gin.Context, a action) {
	if p, r, ok := s.acting(c, a); ok {
		s.confirm(c, p, a, r, http.StatusOK, "")
	}
}

// postAction does it, and leads back to the refund.
func (s *console) postAction(c *gin.Context, a action) {
	p, r, ok := s.acting(c, a)
	if !ok {
		return
	}
	var invalid *alirefund.ValidationError
	switch err := a.do(c, p, r.ID); {
	case errors.As(err, &invalid):
		s.confirm(c, p, a, r, http.StatusUnprocessableEntity, p.T(a.name+".wrong"))
	case errors.Is(err, errUntrue):
		s.failOn(c, p, http.StatusConflict, "error.untrue")
	case err != nil:
		s.failFor(c, p, err)
	default:
		seeOther(c, "../"+r.ID+"?"+url.Values{"app": {p.App}, "done": {a.name}}.Encode())
	}
}

// acting returns the refund that is acted upon, if who asks may.
func (s *console) acting(c *gin.Context, a action) (p *page, r store.Refund, ok bool) {
	if p, ok = s.page(c, "refund"); !ok {
		return nil, r, false
	}
	if !a.granted(p) {
		s.failOn(c, p, http.StatusForbidden, "error.readonly")
		return nil, r, false
	}
	r, err := p.engine.Recorded(c.Request.Context(), c.Param("id"))
	switch {
	case err != nil:
		s.failFor(c, p, err)
	case !a.may(r) && (a.name == "approve" || a.name == "decline"):
		s.failOn(c, p, http.StatusConflict, "error.decided")
	case !a.may(r):
		s.failOn(c, p, http.StatusConflict, "error.settled")
	default:
		return p, r, true
	}
	return nil, r, false
}

func (s *console) confirm(c *gin.Context, p *page, a action, r store.Refund, status int, wrong string) {
	b := actionBody{
		refundBody: p.refund(r), Action: a.name, Question: p.T(a.name + ".question"), Hint: p.T(a.name + ".hint"), Do: p.T(a.name + ".do"),
		Back: p.Link("refunds/" + r.ID), Wrong: wrong, Outcome: c.PostForm("outcome"), Reason: c.PostForm("reason"),
	}
	if a.name == "deliver" {
		event, who := store.Event(c.Query("event")).Split()
		if !r.True(store.Event(c.Query("event"))) {
			s.failOn(c, p, http.StatusConflict, "error.untrue")
			return
		}
		b.Question = strings.NewReplacer("{event}", cmp.Or(p.T("event."+string(event)), string(event)), "{who}", p.who(who)).Replace(b.Question)
	}
	p.Title, p.Body = b.Do, b
	s.render(c, p, status, "action")
}
