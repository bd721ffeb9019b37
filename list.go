package alirefund

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/store"
)

// maxPage is the most refunds that one page lists.
const maxPage = 100

// listRefunds is GET /refunds: its query names what is wanted, and answers a page
// and the cursor of the next.
func (m *Module) listRefunds(c *gin.Context) {
	f, err := listFilter(c.Request.URL.Query())
	if err != nil {
		m.fail(c, Result{}, err)
		return
	}
	e, err := m.engine(c)
	var rows []store.Refund
	if err == nil {
		rows, err = e.List(c.Request.Context(), f)
	}
	if err != nil {
		m.fail(c, Result{}, err)
		return
	}
	page := pageView{Refunds: make([]rowView, len(rows))}
	for i, r := range rows {
		page.Refunds[i] = rowView{summaryOf(Result{Refund: r, Delivered: e.Delivered(r)}), r.CreatedAt}
	}
	if len(rows) == f.Limit {
		page.Next = encodeCursor(rows[len(rows)-1].Cursor())
	}
	c.JSON(http.StatusOK, page)
}

// listFilter reads the query of GET /refunds.
func listFilter(query url.Values) (store.Filter, error) {
	f := store.Filter{Limit: maxPage}
	wrong := &ValidationError{}
	refuse := func(name, rule string, text Text) {
		wrong.Fields = append(wrong.Fields, FieldError{Pointer: "/" + name, Rule: rule, Detail: Text{En: name + " " + text.En, Zh: name + " " + text.Zh}})
	}
	for name, values := range query {
		i := slices.IndexFunc(listParams[:], func(p listParam) bool { return p.name == name })
		switch {
		case len(values) > 1:
			refuse(name, "repeated", Text{En: "is given twice", Zh: "重复出现"})
		case i < 0:
			refuse(name, "unknown", Text{En: "is not known; known are " + listNames, Zh: "是未知参数；可用参数：" + listNames})
		case !listParams[i].set(&f, values[0]):
			refuse(name, listParams[i].rule, listParams[i].wants)
		}
	}
	if len(wrong.Fields) > 0 {
		slices.SortFunc(wrong.Fields, func(a, b FieldError) int { return strings.Compare(a.Pointer, b.Pointer) })
		return f, wrong
	}
	return f, nil
}

// listParam is one parameter of GET /refunds.
type listParam struct {
	name string
	// set takes the value, or returns false: then rule is broken, which wants says
	// in words that follow the name.
	set   func(f *store.Filter, value string) bool
	rule  string
	wants Text
}

var listParams = [...]listParam{
	textParam("out_trade_no", func(f *store.Filter) *string { return &f.OutTradeNo }),
	textParam("trade_no", func(f *store.Filter) *string { return &f.TradeNo }),
	textParam("auth_no", func(f *store.Filter) *string { return &f.AuthNo }),
	textParam("out_request_no", func(f *store.Filter) *string { return &f.OutRequestNo }),
	textParam("operation_id", func(f *store.Filter) *string { return &f.OperationID }),
	{"kind", func(f *store.Filter, value string) bool {
		f.Kind = store.Kind(value)
		return slices.Contains(store.Kinds(), f.Kind)
	}, "oneof", Text{En: "must be trade, coupon or unfreeze", Zh: "必须是 trade、coupon 或 unfreeze"}},
	{"state", func(f *store.Filter, value string) bool {
		f.State = store.State(value)
		return slices.Contains(store.States(), f.State)
	}, "oneof", Text{En: "must be awaiting_approval, pending, succeeded or failed", Zh: "必须是 awaiting_approval、pending、succeeded 或 failed"}},
	{"undelivered", func(f *store.Filter, value string) (ok bool) {
		f.Undelivered, ok = parsed(strconv.ParseBool(value))
		return ok
	}, "boolean", Text{En: "must be true or false", Zh: "必须是 true 或 false"}},
	timeParam("from", func(f *store.Filter) *time.Time { return &f.From }),
	timeParam("until", func(f *store.Filter) *time.Time { return &f.Until }),
	{"limit", func(f *store.Filter, value string) (ok bool) {
		f.Limit, ok = parsed(strconv.Atoi(value))
		return ok && f.Limit >= 1 && f.Limit <= maxPage
	}, "max", Text{En: "must be between 1 and 100", Zh: "必须在 1 到 100 之间"}},
	{"cursor", func(f *store.Filter, value string) (ok bool) {
		f.After, ok = parsed(decodeCursor(value))
		return ok
	}, "cursor", Text{En: "must be the next of an earlier page", Zh: "必须是上一页返回的 next"}},
}

// listNames lists them for whoever wrote another.
var listNames = func() string {
	var names []string
	for _, p := range listParams {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}()

func textParam(name string, field func(*store.Filter) *string) listParam {
	return listParam{name: name, set: func(f *store.Filter, value string) bool {
		*field(f) = value
		return true
	}}
}

func timeParam(name string, field func(*store.Filter) *time.Time) listParam {
	return listParam{name, func(f *store.Filter, value string) (ok bool) {
		*field(f), ok = parsed(parseTime(value))
		return ok
	}, "datetime", Text{En: "must be a time such as 2026-11-22T10:00:00+08:00", Zh: "必须是时间，例如 2026-11-22T10:00:00+08:00"}}
}

func parsed[T any](value T, err error) (T, bool) { return value, err == nil }

// parseTime reads a time of a query, in which a + that nobody escaped is a blank.
func parseTime(text string) (time.Time, error) {
	return time.Parse(time.RFC3339, strings.ReplaceAll(text, " ", "+"))
}

func encodeCursor(c store.Cursor) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.CreatedAt.UnixNano(), 36) + " " + c.ID))
}

func decodeCursor(text string) (store.Cursor, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return store.Cursor{}, fmt.Errorf("alirefund: cursor: %w", err)
	}
	at, id, found := strings.Cut(string(raw), " ")
	nanos, err := strconv.ParseInt(at, 36, 64)
	if err != nil || !found {
		return store.Cursor{}, fmt.Errorf("alirefund: cursor: it is none of ours")
	}
	return store.Cursor{CreatedAt: time.Unix(0, nanos).UTC(), ID: id}, nil
}
