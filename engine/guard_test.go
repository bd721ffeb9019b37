package engine_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// What a hook says is kept short, and whole characters of it; once it is done the
// look-up shows that.
func TestHooksErrorIsKeptShort(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Fail[store.RefundSucceeded] = errors.New("x" + strings.Repeat("失", 2000))
	r := s.Refund(shoptest.Partly)
	record, err := s.Config.Store.Get(t.Context(), r.Str("id"))
	if err != nil {
		t.Fatal(err)
	}
	if kept := record.Deliveries[0].Error; len(kept) > 310 || !strings.HasPrefix(kept, "x失") || !utf8.ValidString(kept) {
		t.Errorf("%d bytes: %q", len(kept), kept)
	}
	if g := s.Get(r.Str("id")); strings.Contains(g.Text, `"done":true`) {
		t.Errorf("record: %s", g.Text)
	}
	s.Fail = map[store.Event]error{}
	if g := s.Get(r.Str("id")); !strings.Contains(g.Text, `"done":true`) {
		t.Errorf("record: %s", g.Text)
	}
}
