package console

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/internal/sheet"
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
	"approved_by",
	"declined_by",
}

// record is a refund's line in an export.
func (p *page) record(r store.Refund) []string {
	amount := ""
	if r.Amount != 0 {
		amount = r.Amount.String()
	}
	return []string{
		p.Time(r.CreatedAt),
		sheet.Cell(r.App),
		sheet.Cell(r.Merchant),
		sheet.Cell(string(r.Kind)),
		sheet.Cell(string(r.State)),
		amount,
		sheet.Cell(r.OutTradeNo),
		sheet.Cell(r.OutRequestNo),
		sheet.Cell(r.TradeNo),
		sheet.Cell(r.AuthNo),
		sheet.Cell(r.OperationID),
		sheet.Cell(r.Actor),
		sheet.Cell(string(r.Source)),
		p.Time(r.SettledAt),
		sheet.Cell(r.Code),
		sheet.Cell(r.SubCode),
		sheet.Cell(r.Message),
		sheet.Cell(r.Attention),
		strconv.FormatBool(r.Undelivered()),
		sheet.Cell(r.ID),
		sheet.Cell(r.ApprovedBy),
		sheet.Cell(r.DeclinedBy),
	}
}

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
	w := sheet.NewWriter(c.Writer)
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
