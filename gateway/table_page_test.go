package gateway_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/gateway"
)

var update = flag.Bool("update", false, "write docs/outcomes.md anew")

// The page docs/outcomes.md says what the table says.
func TestOutcomesPage(t *testing.T) {
	const name = "../docs/outcomes.md"
	page := outcomesPage()
	if *update {
		if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(found) != page {
		t.Errorf("%s is stale: go test ./gateway -run TestOutcomesPage -update", name)
	}
}

func outcomesPage() string {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, row := range gateway.Table() {
		calls := make([]string, 0, len(row.Calls))
		for _, call := range row.Calls {
			calls = append(calls, call.String())
		}
		codes := make([]string, 0, len(row.SubCodes))
		for _, code := range row.SubCodes {
			if inner := strings.Trim(code, "*"); inner != code {
				code = "…" + inner + "…"
			}
			codes = append(codes, code)
		}
		proofs := make([]string, 0, len(row.Proofs))
		for _, proof := range row.Proofs {
			proofs = append(proofs, proof.String())
		}
		writeRow(&b, cell(calls, true), row.Transport.String(), cell(row.Codes, true), cell(codes, true), cell(proofs, false), row.Verdict, next(row), row.Why)
	}
	rest := gateway.Row{Verdict: gateway.Judge(gateway.Facts{})}
	writeRow(&b, "any", "any", "any", "any", "any", rest.Verdict, next(rest), "whatever stands in no row above, such as a code that is new")
	b.WriteString(pageFoot)
	return b.String()
}

func writeRow(b *strings.Builder, call, transport, codes, subCodes, proof string, v gateway.Verdict, next, why string) {
	b.WriteString("| " + strings.Join([]string{call, transport, codes, subCodes, proof, "**" + v.Outcome.String() + "**", next, why}, " | ") + " |\n")
}

func cell(words []string, code bool) string {
	if len(words) == 0 {
		return "any"
	}
	if code {
		return "`" + strings.Join(words, "`<br>`") + "`"
	}
	return strings.Join(words, "<br>")
}

// next says what the module does about a row's verdict.
func next(row gateway.Row) string {
	v := row.Verdict
	does := map[gateway.Outcome]string{
		gateway.Unresolved:      "keeps the refund pending and asks Alipay",
		gateway.Succeeded:       "settles the refund as succeeded",
		gateway.FailedRetryable: "fails the refund; the same number may be sent again",
		gateway.Failed:          "fails the refund for good",
		gateway.NotFound:        "confirms an earlier refusal; without one, the same request may be sent again",
		gateway.NotSent:         "answers 503; the same request may be repeated",
	}[v.Outcome]
	if v.Check {
		does = "asks Alipay, and fails the refund once a query finds nothing"
	}
	if v.Outcome == gateway.Unresolved && onlyAsks(row.Calls) {
		does = "keeps the refund pending and asks again later"
	}
	if v.Ended {
		does += "; this call itself moved nothing more"
	}
	if v.Attention {
		does += "; asks for a person's attention at once"
	}
	if v.Unlisted {
		does += "; what is refused so three times is not sent again, and a person's attention is asked for"
	}
	return does
}

// onlyAsks tells whether calls are questions, every one of them.
func onlyAsks(calls []gateway.Call) bool {
	return len(calls) > 0 && !slices.ContainsFunc(calls, func(c gateway.Call) bool { return !slices.Contains(asking, c) })
}

const pageHead = `<!-- Written by "go test ./gateway -run TestOutcomesPage -update" from the rows in gateway/. Do not edit. -->

# What an answer proves

After every exchange with Alipay one question matters: has the money moved? This
page is the whole table that decides it (` + "`gateway.Judge`" + `). It is read from top to
bottom, and the first row that fits decides.

The columns:

- **call**: the method that was called.
- **transport**: what came of the exchange as such. Only a signed answer, one whose
  response node verifies under Alipay's public key, proves anything about money.
- **code**, **sub_code**: of the answer. A sub_code's prefix does not matter
  (` + "`ACQ.`, `AQC.`, `aop.ACQ.`" + ` and none mean the same); … stands for any letters.
- **proof**: what the other fields say. *Moved, and it matches* is ` + "`fund_change=Y`" + `
  (trade refund), status ` + "`SUCCESS`" + ` (red packet, pre-authorisation) or
  ` + "`refund_status=REFUND_SUCCESS`" + ` (a trade's query), with the order, number and amount that
  were asked about. Where a query's answer has an ` + "`operation_type`" + `, it is the refund's too.
- **outcome**: *unresolved* means that the money may have moved. It is neither
  success nor failure, and nobody should refund again under a new number.
- **what the module does next**.

One rule stands above the table: while an earlier call with the same number is
unanswered, no refusal fails the refund, because the refusal may be that call's
doing ("the trade is closed": it was just refunded). It fails once a query finds
nothing.

| call | transport | code | sub_code | proof | outcome | what the module does next | why |
|---|---|---|---|---|---|---|---|
`

const pageFoot = `
Sources: Alipay's pages (opendocs) of ` + "`alipay.trade.refund` and `alipay.trade.fastpay.refund.query`" + ` with
their error tables, of ` + "`alipay.fund.auth.order.unfreeze` and `alipay.fund.auth.operation.detail.query`" + `
with theirs, of the gateway's common codes, and of the red packet interfaces;
the meaning of ` + "`fund_change=N`" + ` and of a query without ` + "`refund_status`" + ` was checked on signed
captures.
`
