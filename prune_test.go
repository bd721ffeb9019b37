package alirefund_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/store"
)

// pruned is a store that is told what to forget, and finds something twice.
type pruned struct {
	store.Store
	asked []pruning
}

type pruning struct {
	app            string
	nodes, refunds time.Duration // how long they were kept; 0 for ever
}

func (p *pruned) Prune(_ context.Context, app string, nodes, refunds time.Time) (int, error) {
	kept := func(t time.Time) time.Duration {
		if t.IsZero() {
			return 0
		}
		return max(time.Since(t), 1)
	}
	p.asked = append(p.asked, pruning{app, kept(nodes), kept(refunds)})
	if len(p.asked)%3 == 0 {
		return 0, nil
	}
	return 1, nil
}

// Run forgets what the configuration says, in pieces until nothing is left, when
// it starts and every ten minutes.
func TestRunForgets(t *testing.T) {
	for _, want := range []pruning{{nodes: 24 * time.Hour, refunds: 48 * time.Hour}, {refunds: 72 * time.Hour}, {nodes: time.Hour}, {}} {
		synctest.Test(t, func(t *testing.T) {
			p := &pruned{}
			s := newShop(t, func(c *alirefund.Config) {
				p.Store, c.Store = c.Store, p
				c.KeepAnswers, c.KeepRefunds = want.nodes, want.refunds
			})
			want.app = s.config.App.ID
			stop := s.run()
			time.Sleep(25 * time.Minute)
			stop()
			if !slices.Equal(p.asked, slices.Repeat([]pruning{want}, 9)) {
				t.Errorf("asked to forget %v, want thrice three times %v", p.asked, want)
			}
		})
	}
}
