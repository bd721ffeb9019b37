package alirefund

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/internal/sheet"
	"github.com/alirefund/alirefund/money"
)

// maxAudits is how many days GET /audits lists.
const maxAudits = 100

// auditsView is what GET /audits answers: each day without its differences.
type auditsView struct {
	Audits []Audit `json:"audits"`
}

// listAudits is GET /audits.
func (m *Module) listAudits(c *gin.Context) {
	e, err := m.engine(c)
	var audits []Audit
	if err == nil {
		audits, err = e.Audits(c.Request.Context(), maxAudits)
	}
	if err != nil {
		m.fail(c, Result{}, err)
		return
	}
	for i := range audits {
		audits[i].Differences = nil
	}
	c.PureJSON(http.StatusOK, auditsView{audits})
}

// getAudit is GET /audits/:day.
func (m *Module) getAudit(c *gin.Context) {
	format := c.Query("format")
	if format != "" && format != "json" && format != "csv" {
		m.fail(c, Result{}, &ValidationError{Fields: []FieldError{{Pointer: "/format", Rule: "oneof", Detail: Text{En: "format must be json or csv", Zh: "format 必须是 json 或 csv"}}}})
		return
	}
	e, err := m.engine(c)
	var a Audit
	if err == nil {
		a, err = e.AuditOf(c.Request.Context(), c.Param("day"))
	}
	switch {
	case err != nil:
		m.fail(c, Result{}, err)
	case format == "csv":
		writeAudit(c, a)
	default:
		c.PureJSON(http.StatusOK, a)
	}
}

// auditColumns are the columns of an audit as a table. The first line is the whole day:
// what agreed and both sums.
var auditColumns = []string{"day", "what", "attention", "refunds", "billed", "recorded", "said", "state", "kind", "merchant", "out_trade_no", "out_request_no", "trade_no", "id", "why"}

func writeAudit(c *gin.Context, a Audit) {
	h := c.Writer.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="audit-`+a.Day+`.csv"`)
	c.Status(http.StatusOK)
	w := sheet.NewWriter(c.Writer)
	line := func(what, attention string, refunds int, billed, recorded, said money.Amount, texts ...string) {
		cells := []string{sheet.Cell(a.Day), what, attention, strconv.Itoa(refunds), yuan(billed), yuan(recorded), yuan(said)}
		for _, text := range texts {
			cells = append(cells, sheet.Cell(text))
		}
		_ = w.Write(append(cells, make([]string, len(auditColumns)-len(cells))...)) // a client that has gone is its own affair
	}
	_ = w.Write(auditColumns)
	line(string(a.Verdict), "", a.Agreed, a.Bill.Amount, a.Ledger.Amount, 0)
	for _, d := range a.Differences {
		line(string(d.Kind), strconv.FormatBool(d.Attention), 1, d.Billed, d.Recorded, d.Said,
			string(d.State), "trade", d.Merchant, d.OutTradeNo, d.OutRequestNo, d.TradeNo, d.Refund)
	}
	for _, n := range a.NotComparable {
		line("not_comparable", "", n.Refunds, 0, n.Amount, 0, "", string(n.Kind), n.Merchant, "", "", "", "", n.Why)
	}
	w.Flush()
}

// yuan is an amount in a table; empty for none.
func yuan(amount money.Amount) string {
	if amount == 0 {
		return ""
	}
	return amount.String()
}
