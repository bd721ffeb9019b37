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
	rows, err := m.List(c.Request.Context(), f)
	if err != nil {
		m.fail(c, Result{}, err)
		return
	}
	page := struct {
		Refunds []*view `json:"refunds"`
		Next    string  `json:"next,omitempty"`
	}{Refunds: make([]*view, len(rows))}
	for i, r := range rows {
		page.Refunds[i] = viewOf(Result{Refund: r, Delivered: r.State != store.Pending && len(r.Due()) == 0, Repeated: true})
		page.Refunds[i].Alipay = "" // the record has it
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
	refuse := func(name, rule, english, chinese string) {
		wrong.Fields = append(wrong.Fields, FieldError{Pointer: "/" + name, Rule: rule, Detail: Text{En: name + " " + english, Zh: name + chinese}})
	}
	for name, values := range query {
		value := values[0]
		var err error
		switch {
		case len(values) > 1:
			refuse(name, "repeated", "is given twice", "重复出现")
		case name == "out_trade_no":
			f.OutTradeNo = value
		case name == "trade_no":
			f.TradeNo = value
		case name == "auth_no":
			f.AuthNo = value
		case name == "out_request_no":
			f.OutRequestNo = value
		case name == "operation_id":
			f.OperationID = value
		case name == "kind":
			if f.Kind = store.Kind(value); f.Kind != store.Trade && f.Kind != store.Coupon {
				refuse(name, "oneof", "must be trade or coupon", "必须是trade或coupon")
			}
		case name == "state":
			f.State = store.State(value)
			if !slices.Contains([]store.State{store.Pending, store.Succeeded, store.Failed}, f.State) {
				refuse(name, "oneof", "must be pending, succeeded or failed", "必须是pending、succeeded或failed")
			}
		case name == "undelivered":
			if f.Undelivered, err = strconv.ParseBool(value); err != nil {
				refuse(name, "boolean", "must be true or false", "必须是true或false")
			}
		case name == "from":
			if f.From, err = parseTime(value); err != nil {
				refuse(name, "datetime", "must be a time such as 2026-11-22T10:00:00+08:00", "必须是时间，例如2026-11-22T10:00:00+08:00")
			}
		case name == "until":
			if f.Until, err = parseTime(value); err != nil {
				refuse(name, "datetime", "must be a time such as 2026-11-22T10:00:00+08:00", "必须是时间，例如2026-11-22T10:00:00+08:00")
			}
		case name == "limit":
			if f.Limit, err = strconv.Atoi(value); err != nil || f.Limit < 1 || f.Limit > maxPage {
				refuse(name, "max", "must be between 1 and 100", "必须在1到100之间")
			}
		case name == "cursor":
			if f.After, err = decodeCursor(value); err != nil {
				refuse(name, "cursor", "must be the next of an earlier page", "必须是上一页返回的next")
			}
		default:
			refuse(name, "unknown", "is not known; known are out_trade_no, trade_no, auth_no, out_request_no, operation_id, kind, state, undelivered, from, until, limit, cursor", "是未知参数")
		}
	}
	if len(wrong.Fields) > 0 {
		slices.SortFunc(wrong.Fields, func(a, b FieldError) int { return strings.Compare(a.Pointer, b.Pointer) })
		return f, wrong
	}
	return f, nil
}

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
