package console

import (
	"encoding/csv"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/store"
)

// csvColumns are the columns of an export; their names are the fields' of GET /refunds.
var csvColumns = []string{
	"created_at",
	"app_id",
	"merchant",
	"kind",
	"state",
	"amount",
	"out_trade_no",
	"out_request_no",
	"trade_no",
	"auth_no",
	"operation_id",
	"actor",
	"source",
	"settled_at",
	"code",
	"sub_code",
	"message",
	"attention",
	"undelivered",
	"id",
}

// record is a refund's line in an export.
func (p *page) record(r store.Refund) []string {
	amount := ""
	if r.Amount != 0 {
		amount = r.Amount.String()
	}
	return []string{
		p.Time(r.CreatedAt),
		cell(r.App),
		cell(r.Merchant),
		cell(string(r.Kind)),
		cell(string(r.State)),
		amount,
		cell(r.OutTradeNo),
		cell(r.OutRequestNo),
		cell(r.TradeNo),
		cell(r.AuthNo),
		cell(r.OperationID),
		cell(r.Actor),
		cell(string(r.Source)),
		p.Time(r.SettledAt),
		cell(r.Code),
		cell(r.SubCode),
		cell(r.Message),
		cell(r.Attention),
		strconv.FormatBool(r.Undelivered()),
		cell(r.ID),
	}
}

// mark is the byte order mark, by which Excel knows UTF-8.
const mark = "\uFEFF"

// getExport writes what a list means as a table, all of it, piece by piece.
func (s *console) getExport(c *gin.Context) {
	p, ok := s.page(c, "list")
	if !ok {
		return
	}
	q := readQuery(c.Request.URL.Query()).Begin()
	some, err := find(c.Request.Context(), p.engine, q, s.zone, batch)
	if err != nil {
		s.failFor(c, p, err)
		return
	}
	h := c.Writer.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="refunds.csv"`)
	c.Status(http.StatusOK)
	_, _ = io.WriteString(c.Writer, mark)
	w := csv.NewWriter(c.Writer)
	w.UseCRLF = true
	_ = w.Write(csvColumns) // Error says it
	for {
		for _, r := range some.rows {
			_ = w.Write(p.record(r))
		}
		w.Flush()
		if some.next == "" || w.Error() != nil {
			return
		}
		if some, err = find(c.Request.Context(), p.engine, q.Behind(some.next), s.zone, batch); err != nil {
			p.engine.Logger().WarnContext(c.Request.Context(), "an export of the console broke off", "error", err)
			_ = w.Write([]string{p.T("export.broken")}) // so that nobody takes a part for the whole
			w.Flush()
			return
		}
	}
}

// likeNumber is what a spreadsheet may take for a number or a date, and change: round it,
// drop its zeros, or make a month of it.
var likeNumber = regexp.MustCompile(`^[0-9][0-9A-Za-z.,:/_-]*$`)

// shortNumber is the most digits that are always shown as they are.
const shortNumber = 9

// cell is a text as a spreadsheet shows it. What is like a number is written as ="…", but
// for short ones, and a text that would be taken for a formula begins with an apostrophe.
func cell(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if likeNumber.MatchString(text) && (text[0] == '0' || len(text) > shortNumber || strings.Trim(text, "0123456789") != "") {
		return `="` + text + `"`
	}
	begin := strings.TrimLeftFunc(text, func(r rune) bool { return unicode.IsSpace(r) || hidden(r) })
	if first, _ := utf8.DecodeRuneInString(begin); begin != "" && strings.ContainsRune("=+-@＝＋－＠", first) {
		return "'" + text
	}
	return text
}
