package store

import "slices"

// index finds refunds by the numbers that they are known by, and under apps the
// applications that have something left to do.
type index map[lookup][]string

var apps = lookup{"due", ""}

// lookup is one number of a refund. Empty numbers are in no index.
type lookup struct{ by, number string }

// numbers returns what r is found by.
func numbers(r *Refund) [7]lookup {
	due := lookup{}
	if !r.Next.IsZero() {
		due = lookup{"due", r.App}
	}
	return [...]lookup{
		due,
		{"order", r.OrderID},
		{"out_trade_no", r.OutTradeNo},
		{"trade_no", r.TradeNo},
		{"auth_no", r.AuthNo},
		{"out_request_no", r.OutRequestNo},
		{"operation_id", r.OperationID},
	}
}

// move replaces what was indexed of the refund's old form by its new one;
// either may be nil.
func (x index) move(from, to *Refund) {
	var before, after [7]lookup
	if from != nil {
		before = numbers(from)
	}
	if to != nil {
		after = numbers(to)
	}
	for i := range before {
		if before[i] == after[i] {
			continue
		}
		if key := before[i]; key.number != "" {
			x.remove(key, from.ID)
		}
		if key := after[i]; key.number != "" {
			x.add(key, to.ID)
		}
	}
}

func (x index) add(key lookup, id string) {
	if key.by == "due" && len(x[key]) == 0 {
		x[apps] = append(x[apps], key.number)
	}
	x[key] = append(x[key], id)
}

func (x index) remove(key lookup, id string) {
	ids := x[key]
	if i := slices.Index(ids, id); i >= 0 {
		ids = slices.Delete(ids, i, i+1)
	}
	if len(ids) == 0 {
		delete(x, key)
		if key.by == "due" && key != apps {
			x.remove(apps, key.number)
		}
		return
	}
	x[key] = ids
}

// candidates returns the fewest ids among which all that f selects are; not ok
// if f names no number, and selects others than those of which something is left to do.
func (x index) candidates(f Filter) (ids []string, ok bool) {
	if f.State == Pending || f.State == AwaitingApproval || f.Undelivered {
		ids, ok = x[lookup{"due", f.App}], true
	}
	for _, key := range numbers(&Refund{
		OutTradeNo: f.OutTradeNo, TradeNo: f.TradeNo, AuthNo: f.AuthNo,
		OutRequestNo: f.OutRequestNo, OperationID: f.OperationID,
	}) {
		if key.number == "" {
			continue
		}
		if few := x[key]; !ok || len(few) < len(ids) {
			ids, ok = few, true
		}
	}
	return ids, ok
}
