package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/alirefund/alirefund/bill"
	"github.com/alirefund/alirefund/money"
)

// listedRefund is what is read of a refund in the answer of GET /refunds.
type listedRefund struct {
	ID           string       `json:"id"`
	State        string       `json:"state"`
	Kind         string       `json:"kind"`
	OutTradeNo   string       `json:"out_trade_no,omitempty"`
	TradeNo      string       `json:"trade_no,omitempty"`
	OutRequestNo string       `json:"out_request_no,omitempty"`
	Amount       money.Amount `json:"amount,omitempty"`
	SettledAt    time.Time    `json:"settled_at,omitzero"`
}

// readList reads the pages of a list, which stand one behind the other.
func readList(name string) ([]listedRefund, error) {
	file, err := os.Open(name) //nolint:gosec // the user's own choice
	if err != nil {
		return nil, errors.Unwrap(err) // without the name, which the caller adds
	}
	defer file.Close() //nolint:errcheck // it was only read
	var all []listedRefund
	whole := false
	for decoder := json.NewDecoder(file); ; {
		var page struct {
			Refunds *[]listedRefund `json:"refunds"`
			Next    string          `json:"next"`
		}
		switch err := decoder.Decode(&page); {
		case errors.Is(err, io.EOF) && !whole:
			return nil, errors.New("the list is not whole: its last page, the one without next, is missing")
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("no answer of GET /refunds: %w", err)
		case page.Refunds == nil:
			return nil, errors.New("no answer of GET /refunds: it has no refunds")
		}
		all = append(all, *page.Refunds...)
		whole = whole || page.Next == ""
	}
}

// comparison is what -against prints. The names are stable.
type comparison struct {
	Agreed int `json:"agreed"`
	// OtherDays counts what succeeded by the list on days that are not the bill's.
	OtherDays  int               `json:"other_days"`
	OnlyInBill []onlyInBill      `json:"only_in_bill"`
	OnlyInList []listedRefund    `json:"only_in_list"` // succeeded there
	Amounts    []differentAmount `json:"amounts"`
}

// onlyInBill is a refund that the list does not have, or has in another state.
type onlyInBill struct {
	billedRefund
	State string `json:"state,omitempty"` // in the list
}

type differentAmount struct {
	billedRefund
	Listed money.Amount `json:"listed"` // 0.00 where the list does not know it
}

func (c *comparison) differs() bool {
	return len(c.OnlyInBill)+len(c.OnlyInList)+len(c.Amounts) > 0
}

// compare holds the bill against the list. A refund without a number of its own has
// its order's, which is Alipay's rule.
func compare(billed []billedRefund, listed []listedRefund, summary bill.Summary) *comparison {
	c := &comparison{OnlyInBill: []onlyInBill{}, OnlyInList: []listedRefund{}, Amounts: []differentAmount{}}
	byNumber := map[[2]string]int{} // of the order, or Alipay's of the trade, and of the refund
	for i, r := range listed {
		if r.Kind != "trade" {
			continue
		}
		number := r.OutRequestNo
		if number == "" {
			number = r.OutTradeNo
		}
		for _, order := range []string{"out " + r.OutTradeNo, "trade " + r.TradeNo} {
			if key := [2]string{order, number}; !strings.HasSuffix(order, " ") {
				// One that succeeded is not hidden by another of that number.
				if old, found := byNumber[key]; !found || listed[old].State != "succeeded" {
					byNumber[key] = i
				}
			}
		}
	}
	found := make([]bool, len(listed))
	for _, r := range billed {
		number := r.OutRequestNo
		if number == "" {
			number = r.OutTradeNo
		}
		i, ok := byNumber[[2]string{"out " + r.OutTradeNo, number}]
		if !ok {
			i, ok = byNumber[[2]string{"trade " + r.TradeNo, number}]
		}
		switch {
		case !ok, found[i]:
			c.OnlyInBill = append(c.OnlyInBill, onlyInBill{r, ""})
			continue
		case listed[i].State != "succeeded":
			c.OnlyInBill = append(c.OnlyInBill, onlyInBill{r, listed[i].State})
		case listed[i].Amount != r.Amount:
			c.Amounts = append(c.Amounts, differentAmount{r, listed[i].Amount})
		default:
			c.Agreed++
		}
		found[i] = true
	}
	for i, r := range listed {
		switch {
		case found[i], r.Kind != "trade", r.State != "succeeded":
		case !r.SettledAt.IsZero() && (r.SettledAt.Before(summary.From) || !r.SettledAt.Before(summary.Until)):
			c.OtherDays++
		default:
			c.OnlyInList = append(c.OnlyInList, r)
		}
	}
	return c
}

func (c *comparison) write(out *strings.Builder) {
	fmt.Fprintf(out, "agreed: %d; of other days in the list: %d\n", c.Agreed, c.OtherDays)
	for _, r := range c.OnlyInBill {
		state := "not in the list"
		if r.State != "" {
			state = printable(r.State) + " in the list"
		}
		fmt.Fprintf(out, "only in the bill:  %s: %s\n", r.billedRefund, state)
	}
	for _, r := range c.OnlyInList {
		fmt.Fprintf(out, "only in the list:  id %s, %s, %s\n", printable(r.ID), r.Amount, numbers(r.OutTradeNo, r.TradeNo, r.OutRequestNo))
	}
	for _, r := range c.Amounts {
		listed := r.Listed.String()
		if r.Listed == 0 {
			listed = "of unknown amount"
		}
		fmt.Fprintf(out, "amounts differ:    %s: %s in the list\n", r.billedRefund, listed)
	}
}
