package console_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/store"
)

var dayOf = regexp.MustCompile(`<tr><th scope="row"><a [^>]*>([^<]+)</a></th>((?:<td[^>]*>[^<]*</td>)+)</tr>`)

// counted returns the numbers of each day that has any.
func counted(page string) map[string]string {
	days := map[string]string{}
	for _, m := range dayOf.FindAllStringSubmatch(page, -1) {
		cells := regexp.MustCompile(`<[^>]+>`).ReplaceAllString(strings.ReplaceAll(m[2], "</td>", " "), "")
		if !strings.HasPrefix(cells, "0 ") {
			days[m[1]] = strings.TrimSpace(cells)
		}
	}
	return days
}

// The page counts each day's refunds once they are ten seconds old, and what was
// unresolved of a day moves to where it belongs.
func TestDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		start := time.Now()
		name := func(days int) string {
			return start.Add(time.Duration(days) * 24 * time.Hour).In(time.FixedZone("", 8*60*60)).Format("2006-01-02")
		}
		settle := func(r store.Refund, f store.Finding, after time.Duration) {
			t.Helper()
			time.Sleep(after)
			if _, _, err := d.Config.Store.Settle(t.Context(), r.ID, store.Settlement{Source: store.ByNotice, Finding: f}); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 3 {
			settle(d.record(store.Refund{OutTradeNo: "o", OutRequestNo: fmt.Sprint(n), Amount: 1_00}), store.Success, 20*time.Second)
		}
		late := d.record(store.Refund{OutTradeNo: "o", OutRequestNo: "late", Amount: 5_00})
		time.Sleep(24 * time.Hour)
		d.record(store.Refund{OutTradeNo: "o", OutRequestNo: "failed", Amount: 7_00, State: store.Failed})
		if got := counted(d.see("/days")); got[name(1)] != "" {
			t.Errorf("what is young is counted: %v", got)
		}
		time.Sleep(11 * time.Second)
		page := d.see("/days")
		if got := counted(page); len(got) != 2 || got[name(0)] != "4 3 1 0 ¥3.00 ≤ 1 min" || got[name(1)] != "1 0 0 1 ¥0.00 ≤ 10 s" {
			t.Errorf("%v", got)
		}
		wants(t, page, "<svg", `class="succeeded"`, `class="pending"`, `class="failed"`, `class="s0"`)
		settle(late, store.Success, time.Hour)
		if got := counted(d.see("/days?days=30")); got[name(0)] != "4 4 0 0 ¥8.00 ≤ 1 min" {
			t.Errorf("later: %v", got)
		}
	})
}

// Many refunds are counted by several requests, each of which is short.
func TestDaysAreCountedPieceByPiece(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.Config.Store = slowStore{d.Config.Store}
		d.Restart()
		d.mount()
		for n := range 1000 {
			d.record(store.Refund{OutTradeNo: "o", OutRequestNo: fmt.Sprint(n), Amount: 1, State: store.Failed})
		}
		time.Sleep(time.Minute)
		for requests := 1; ; requests++ {
			began := time.Now()
			r := d.as("reader", http.MethodGet, "/days", nil)
			if took := time.Since(began); took > 150*time.Millisecond {
				t.Fatalf("a request took %s", took)
			}
			if r.Header.Get("Refresh") == "" {
				for _, cells := range counted(r.Text) {
					if requests < 3 || !strings.HasPrefix(cells, "1000 ") {
						t.Errorf("%s after %d requests", cells, requests)
					}
				}
				return
			}
			wants(t, r.Text, "Still counting")
			if requests > 20 {
				t.Fatal("it does not end")
			}
		}
	})
}
