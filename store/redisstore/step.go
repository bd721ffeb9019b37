package redisstore

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// step is what one run of step.lua writes, all or nothing. Each part may be missing.
// A step that writes a refund may be sent again by the client, which lost the answer: it
// is written once, and answered alike.
type step struct {
	refund, order, key string // ids of the first two, and the claim's key
	enter, leave       []string
	doc                string

	Row      *rowPart     `json:"row,omitempty"`
	Reserve  *reservePart `json:"reserve,omitempty"`
	Send     *sendPart    `json:"send,omitempty"`
	Claim    *claimPart   `json:"claim,omitempty"`
	Complete *endPart     `json:"complete,omitempty"`
	Release  *endPart     `json:"release,omitempty"`
}

// rowPart writes a refund whose version is Was still; empty for none.
type rowPart struct {
	ID     string  `json:"id"`
	App    string  `json:"app,omitempty"` // whose it is; empty where the row is removed
	Was    string  `json:"was"`
	Is     string  `json:"is"`
	Next   int64   `json:"next"` // in microseconds, as all times here; 0 for none
	Scores []int64 `json:"scores"`
}

// reservePart takes an amount of the order's total, if that is known and there is so
// much; or gives it back if it is negative.
type reservePart struct {
	Take  int64  `json:"take"` // in fen
	Total *int64 `json:"total,omitempty"`
}

// sendPart notes that a refund of the order is sent, if none was after Since.
type sendPart struct {
	At    int64  `json:"at"`
	Since *int64 `json:"since,omitempty"`
}

// claimPart claims the key, if nobody's lease of it runs and it is not done.
type claimPart struct {
	Token string `json:"token"`
	Lease int64  `json:"lease"`
	Done  bool   `json:"done,omitempty"` // it is done at once
	Keep  int64  `json:"keep"`           // in milliseconds
}

// endPart ends the claim, if the token owns it. If it does not, the rest is written all
// the same.
type endPart struct {
	Token string `json:"token"`
	Keep  int64  `json:"keep"` // in milliseconds
}

// answer is what a step came to.
type answer struct {
	word  string
	owned bool  // written: the claim that it ended was the caller's
	is    int64 // overTotal: what is reserved; tooSoon: when the order was last sent
}

// The answers. After all but the first, nothing was written.
const (
	written     = "written"
	changed     = "changed" // the row is not as it was
	overTotal   = "over"    // the order has not so much left
	tooSoon     = "spaced"  // a refund of the order was sent a moment ago
	alreadyDone = "done"    // the claim's key is
	anothers    = "held"    // so is the claim
)

// store is the step in which r takes the place of what was there; was is zero for
// nothing. What r takes of its order's total changes with it.
func (s *Store) store(was row, r store.Refund) (step, error) {
	doc, err := encode(r)
	w := step{refund: r.ID, order: r.OrderID, doc: doc}
	w.Row = &rowPart{ID: r.ID, App: r.App, Was: was.version, Is: rand.Text(), Next: micros(r.Next), Scores: []int64{}}
	before, after := s.sets(was.Refund), s.sets(r)
	for key, score := range after {
		if old, there := before[key]; !there || old != score {
			w.enter, w.Row.Scores = append(w.enter, key), append(w.Row.Scores, score)
		}
	}
	for key := range before {
		if _, stays := after[key]; !stays {
			w.leave = append(w.leave, key)
		}
	}
	if take := counted(r) - counted(was.Refund); take != 0 {
		w.Reserve = &reservePart{Take: int64(take)}
	}
	return w, err
}

// remove is the step after which the refund is forgotten, but not what it took of its
// order's total: the money has moved.
func (s *Store) remove(was row) step {
	w := step{refund: was.ID, order: was.OrderID}
	w.Row = &rowPart{ID: was.ID, Was: was.version, Is: rand.Text(), Scores: []int64{}}
	for key := range s.sets(was.Refund) {
		w.leave = append(w.leave, key)
	}
	return w
}

// limit lets the step reserve no more than the order has.
func (w *step) limit(total money.Amount) {
	if w.Reserve == nil {
		w.Reserve = &reservePart{}
	}
	fen := int64(total)
	w.Reserve.Total = &fen
}

// send notes a send at that time, if the last one of the order was spacing before it.
func (w *step) send(at time.Time, spacing time.Duration) {
	w.Send = &sendPart{At: at.UnixMicro()}
	if spacing > 0 {
		since := at.Add(-spacing).UnixMicro()
		w.Send.Since = &since
	}
}

// take claims a notification in the same step, by which r has become what it is. If
// nothing of it is due, the notification is done.
func (w *step) take(n store.Notice, r store.Refund) {
	if n.Key == "" {
		return
	}
	w.key, w.Claim = n.Key, claimFor(n.Token, n.Lease)
	if len(r.Due()) == 0 {
		w.Claim.Done, w.Claim.Keep = true, n.Keep.Milliseconds()
	}
}

// complete ends a claimed notification in the same step.
func (w *step) complete(n store.Notice) {
	if n.Key != "" {
		w.key, w.Complete = n.Key, &endPart{Token: n.Token, Keep: n.Keep.Milliseconds()}
	}
}

//go:embed step.lua
var stepLua string

var stepScript = redis.NewScript(stepLua)

// write does a step.
func (s *Store) write(ctx context.Context, w step) (answer, error) {
	parts, err := json.Marshal(w)
	if err != nil {
		return answer{}, err
	}
	keys := append([]string{s.refundKey(w.refund), s.key("order:" + w.order), s.key("claim:" + w.key), s.appsKey()}, w.enter...)
	list, err := s.run(ctx, stepScript, append(keys, w.leave...), string(parts), w.doc)
	if err != nil {
		return answer{}, err
	}
	a := answer{word: text(list[0])}
	switch a.word {
	case written:
		owned, _ := list[1].(int64)
		a.owned = owned == 1
	case overTotal, tooSoon:
		a.is, err = strconv.ParseInt(text(list[1]), 10, 64)
	}
	return a, err
}

// errConflict: what was decided on has changed since it was read.
var errConflict = errors.New("somebody else keeps changing it")

// retry calls try until it fails with no conflict, or ctx ends.
func retry(ctx context.Context, what string, try func() error) error {
	for tries := 1; ; tries++ {
		err := try()
		switch {
		case err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrTaken):
			return err
		case !errors.Is(err, errConflict):
			return fmt.Errorf("redisstore: %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("redisstore: %s: %w: %w", what, ctx.Err(), err)
		case <-time.After(store.Backoff(tries, time.Millisecond, 100*time.Millisecond)):
		}
	}
}
