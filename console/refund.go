package console

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/store"
)

// refundBody is one refund.
type refundBody struct {
	row
	ID, Meaning string
	Pending     bool
	Facts       []fact
	Deliveries  []delivery
	History     []line
	Actions     []tab
}

// fact is one thing that is known of it.
type fact struct {
	Name, Value string
	At          time.Time // instead of Value
	Number      bool
}

// delivery is how far an event has come on its way to somebody.
type delivery struct {
	Event, Who, Error, Link, State string

	At    time.Time
	Tries int
	Told  bool
	Due   bool // else it has become untrue
}

// line is one entry of the history.
type line struct {
	At           time.Time
	Text, Detail string
	Tone         string // good, bad, person or empty
}

// getRefund shows one.
func (s *console) getRefund(c *gin.Context) {
	p, ok := s.page(c, "refund")
	if !ok {
		return
	}
	r, err := p.engine.Recorded(c.Request.Context(), c.Param("id"))
	if err != nil {
		s.failFor(c, p, err)
		return
	}
	if done := c.Query("done"); done != "" {
		p.Notice = p.T("done." + done)
	}
	p.Title, p.Body = p.T("refund")+" "+clean(cmp.Or(r.OutRequestNo, r.ID)), p.refund(r)
	s.render(c, p, http.StatusOK, "refund")
}

func (p *page) refund(r store.Refund) refundBody {
	b := refundBody{
		row: p.row(r), ID: r.ID, Meaning: stages[r.Stage(r.AsOf)].In(p.Zh), Pending: r.State == store.Pending,
		Facts: p.facts(r), Deliveries: p.deliveries(r),
	}
	for _, e := range r.History {
		b.History = append(b.History, p.line(e, r))
	}
	for _, a := range actions {
		own := a.name == "approve" && !r.MayApprove(p.Actor)
		if a.name != "deliver" && a.granted(p) && a.may(r) && !own {
			b.Actions = append(b.Actions, tab{Link: p.Link("refunds/" + r.ID + "/" + a.name), Label: p.T(a.name + ".do")})
		}
	}
	return b
}

// facts are what is known, without what is not.
func (p *page) facts(r store.Refund) []fact {
	codes := strings.TrimSpace(r.Code + " " + r.SubCode)
	var known []fact
	for _, f := range []fact{
		{Name: "out_trade_no", Value: r.OutTradeNo, Number: true},
		{Name: "trade_no", Value: r.TradeNo, Number: true},
		{Name: "auth_no", Value: r.AuthNo, Number: true},
		{Name: "out_order_no", Value: r.OutOrderNo, Number: true},
		{Name: "out_request_no", Value: r.OutRequestNo, Number: true},
		{Name: "operation_id", Value: r.OperationID, Number: true},
		{Name: "fact.id", Value: r.ID, Number: true},
		{Name: "fact.kind", Value: p.kind(r.Kind)},
		{Name: "fact.method", Value: r.Method, Number: true},
		{Name: "fact.app", Value: r.App, Number: true},
		{Name: "fact.merchant", Value: r.Merchant},
		{Name: "fact.actor", Value: r.Actor},
		{Name: "fact.approval_until", At: r.ApprovalUntil},
		{Name: "fact.approved_by", Value: r.ApprovedBy},
		{Name: "fact.declined_by", Value: r.DeclinedBy},
		{Name: "fact.origin", Value: p.T("origin." + string(r.Origin))},
		{Name: "fact.source", Value: p.T("source." + string(r.Source))},
		{Name: "fact.code", Value: codes, Number: true},
		{Name: "fact.message", Value: r.Message},
		{Name: "fact.created", At: r.CreatedAt},
		{Name: "fact.sent", At: r.SentAt},
		{Name: "fact.settled", At: r.SettledAt},
		{Name: "fact.next", At: r.Next},
	} {
		if f.Value == "" && f.At.IsZero() {
			continue
		}
		f.Name, f.Value = cmp.Or(p.T(f.Name), f.Name), clean(f.Value)
		known = append(known, f)
	}
	return known
}

// deliveries are those that were begun, and those that are due.
func (p *page) deliveries(r store.Refund) (list []delivery) {
	events := append(r.Due(), r.DueToNamed()...)
	for _, d := range r.Deliveries {
		events = append(events, d.Event)
	}
	seen := map[store.Event]bool{}
	for _, event := range events {
		if seen[event] {
			continue
		}
		seen[event] = true
		base, who := event.Split()
		d := r.Delivery(event)
		shown := delivery{
			Event: cmp.Or(p.T("event."+string(base)), clean(string(base))), Who: p.who(who), Error: clean(d.Error), At: d.At, Tries: d.Tries, Told: d.Done, Due: r.True(event),
		}
		switch {
		case d.Done:
			shown.State = p.T("told")
		case shown.Due:
			shown.State = p.T("untold")
		default:
			shown.State = p.T("untrue")
		}
		if p.MayAct && shown.Due {
			shown.Link = p.Link("refunds/" + r.ID + "/deliver?event=" + string(event))
		}
		list = append(list, shown)
	}
	return list
}

// who hears of an event.
func (p *page) who(subscriber string) string {
	if subscriber == "" {
		return p.T("who.host")
	}
	return clean(subscriber)
}
