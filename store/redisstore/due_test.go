package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// A refund that a newer version wrote, or that somebody deleted, is named, and holds up
// no other.
func TestDueBesideWhatCannotBeRead(t *testing.T) {
	client := server(t)
	s, prefix := open(t, client)
	var ids []string
	for n := range 3 {
		r := trade("order", fmt.Sprint(n))
		r.State, r.Origin = store.Succeeded, store.FromNotice // undelivered, and so due at once
		ids = append(ids, mustOpen(t, s, r).ID)
	}
	key := "{" + prefix + "}:refund:"
	if err := errors.Join(client.HSet(t.Context(), key+ids[0], "doc", `{"v":99,"id":"x"}`).Err(), client.Del(t.Context(), key+ids[1]).Err()); err != nil {
		t.Fatal(err)
	}
	due, err := s.Due(t.Context(), "app", time.Minute, 10, false)
	if len(due) != 1 || due[0].ID != ids[2] || !errors.Is(err, store.ErrNewerDocument) || !strings.Contains(err.Error(), ids[0]) || !strings.Contains(err.Error(), ids[1]) {
		t.Errorf("%d are due, %v", len(due), err)
	}
	if due, err = s.Due(t.Context(), "app", time.Minute, 10, false); len(due) != 0 || err != nil {
		t.Errorf("then %d are due, %v: they were not put off", len(due), err)
	}
	if _, err := s.Get(t.Context(), ids[0]); !errors.Is(err, store.ErrNewerDocument) {
		t.Errorf("it is read with %v", err)
	}
	if list, err := s.List(t.Context(), store.Filter{App: "app"}); err == nil {
		t.Errorf("all are listed: %v", list)
	}
}

// What matches is found wherever it stands, in pages of any length, also where many were
// recorded at once and few match.
func TestListReadsOn(t *testing.T) {
	client := server(t)
	s, _ := open(t, client)
	var want []string
	for n := range 350 {
		r := trade("order", fmt.Sprint(n))
		if n%70 == 69 {
			r.Kind, r.AuthNo = store.Coupon, "auth"
		}
		r = mustOpen(t, s, r.Identify())
		if r.Kind == store.Coupon {
			want = append(want, r.OutRequestNo)
		}
	}
	for _, newest := range []bool{false, true} {
		for _, limit := range []int{1, 2, 4, 5, 6, 0} {
			var got []string
			f := store.Filter{App: "app", Kind: store.Coupon, State: store.Pending, Limit: limit, Newest: newest}
			for {
				list, err := s.List(t.Context(), f)
				if err != nil {
					t.Fatal(err)
				}
				if len(list) == 0 {
					break
				}
				for _, r := range list {
					got = append(got, r.OutRequestNo)
				}
				f.After = list[len(list)-1].Cursor()
			}
			if newest {
				slices.Reverse(got)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("in pages of %d, the newest first %t: %v; want %v", limit, newest, got, want)
			}
		}
	}
	if list, err := s.List(t.Context(), store.Filter{App: "app", Limit: 1000}); err != nil || len(list) != 350 {
		t.Errorf("%d refunds in one list, %v", len(list), err)
	}
}
