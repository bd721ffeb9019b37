package store_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Refunds that were forgotten leave no gap and come back as new ones.
func TestMemoryListsWhatIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store.NewMemory(store.KeepSettled(time.Hour))
		open := func(number string, settled bool) {
			r := store.Refund{Kind: store.Trade, App: "app", OutTradeNo: "order", OutRequestNo: number, Origin: store.FromRequest, State: store.Pending}.Identify()
			if settled {
				r.State, r.NotSent = store.Failed, true // of which nothing is left to do
			}
			if _, _, err := m.Open(t.Context(), r, store.Limit{}, nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		expect := func(want ...string) {
			t.Helper()
			for _, newest := range []bool{false, true} {
				list, err := m.List(t.Context(), store.Filter{App: "app", Newest: newest, Limit: 1000})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, r := range list {
					got = append(got, r.OutRequestNo)
				}
				if newest {
					slices.Reverse(got)
				}
				if !slices.Equal(got, want) {
					t.Errorf("newest first %t: %q, want %q", newest, got, want)
				}
			}
		}
		var pending []string
		for n := range 100 {
			open(fmt.Sprint("settled", n), true)
			if n%10 == 0 {
				pending = append(pending, fmt.Sprint("pending", n))
				open(pending[len(pending)-1], false)
			}
		}
		time.Sleep(2 * time.Hour)
		expect(pending...)
		for n := range 200 { // each use removes a few of those that have ended
			open("settled7", true)
			if n == 0 {
				expect(append(pending, "settled7")...)
			}
		}
		expect(append(pending, "settled7")...)
	})
}
