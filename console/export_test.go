package console_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/store"
)

// export returns the lines of an export, and what each column is called.
func (d *desk) export(query string) (rows [][]string, at map[string]int) {
	d.T.Helper()
	r := d.as("reader", http.MethodGet, "/export.csv?"+query, nil)
	if r.Status != http.StatusOK || r.Header.Get("Content-Type") != "text/csv; charset=utf-8" || r.Header.Get("Content-Disposition") != `attachment; filename="refunds.csv"` {
		d.T.Fatalf("%d %v", r.Status, r.Header)
	}
	text, found := strings.CutPrefix(r.Text, "\uFEFF")
	if !found {
		d.T.Error("it does not begin with a byte order mark")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		d.T.Fatal(err)
	}
	at = map[string]int{}
	for n, name := range rows[0] {
		at[name] = n
	}
	return rows[1:], at
}

// An export has all that the list means, beyond the page that shows it.
func TestExport(t *testing.T) {
	d := newDesk(t)
	for n := range 600 {
		r := store.Refund{OutTradeNo: fmt.Sprint("order ", n), OutRequestNo: "退款", Amount: 8_88}
		if n%2 == 1 {
			r.Kind, r.AuthNo = store.Coupon, fmt.Sprint("packet ", n)
		}
		d.record(r)
	}
	rows, at := d.export("kind=trade")
	if len(rows) != 300 {
		t.Fatalf("%d lines", len(rows))
	}
	orders := map[string]bool{}
	for _, row := range rows {
		orders[row[at["out_trade_no"]]] = true
		if row[at["amount"]] != "8.88" || row[at["out_request_no"]] != "退款" || row[at["state"]] != "pending" {
			t.Fatalf("%q", row)
		}
	}
	if len(orders) != 300 {
		t.Errorf("%d orders", len(orders))
	}
	if rows, _ := d.export("q=order+7"); len(rows) != 0 && len(rows) != 1 {
		t.Errorf("a search: %d lines", len(rows))
	}
}

// A spreadsheet shows numbers as they are, and runs nothing.
func TestExportForSpreadsheets(t *testing.T) {
	d := newDesk(t)
	want := map[string]string{
		"2026112222001400000000000001": `="2026112222001400000000000001"`,
		"0012":                         `="0012"`,
		"12E3":                         `="12E3"`,
		"2026-11-22":                   `="2026-11-22"`,
		"1/2":                          `="1/2"`,
		"123456789":                    "123456789",
		"R1":                           "R1",
		"退款":                           "退款",
		`a"b,c`:                        `a"b,c`,
		`1"&cmd`:                       `1"&cmd`,
		"=1+1":                         "'=1+1",
		"+1":                           "'+1",
		"-1":                           "'-1",
		"@SUM(A1)":                     "'@SUM(A1)",
		"\t=1+1":                       "' =1+1",
		"\r=1+1":                       "' =1+1",
		"\u200b=1+1":                   "'\u200b=1+1",
		" =1+1":                        "' =1+1",
		"＝1+1":                         "'＝1+1",
		"a\r\nb":                       "a  b",
		`=HYPERLINK("http://x","y")`:   `'=HYPERLINK("http://x","y")`,
	}
	for number := range want {
		d.record(store.Refund{OutTradeNo: number, OutRequestNo: "R", Amount: 1})
	}
	rows, at := d.export("")
	var got, wanted []string
	for _, row := range rows {
		got = append(got, row[at["out_trade_no"]])
	}
	for _, cell := range want {
		wanted = append(wanted, cell)
	}
	slices.Sort(got)
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		t.Errorf("got  %q\nwant %q", got, wanted)
	}
	for number, cell := range want { // as it is copied from the table, it is found
		if strings.HasPrefix(cell, `="`) {
			if rows, _ := d.export("q=" + url.QueryEscape(cell)); len(rows) != 1 {
				t.Errorf("%s: %d lines", number, len(rows))
			}
		}
	}
}
