package alipaytest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Fault is one thing that goes wrong. [Alipay.Inject] plans it.
type Fault struct {
	Kind FaultKind
	// Method is the interface whose call goes wrong, such as
	// "alipay.trade.fastpay.refund.query". Empty means any call that moves money
	// (alipay.trade.refund, alipay.fund.coupon.order.refund,
	// alipay.fund.trans.refund and alipay.fund.auth.order.unfreeze), and for faults
	// of notices any notice.
	Method string
	// Delay is how long [Slow], [NoticeLate] and [LateRequest] take. 0 means 3 s, 1 h,
	// and until after the next call.
	Delay time.Duration
	// SubCode is what [Refusal] answers, and what the system errors answer
	// instead of SYSTEM_ERROR, such as "isp.unknow-error".
	SubCode string
}

// FaultKind says what goes wrong.
type FaultKind uint8

// Faults of a call. At most one befalls a call.
const (
	// LostAnswer: executed, and the connection closes without an answer.
	LostAnswer FaultKind = iota + 1
	// LostRequest: not executed, and the connection closes without an answer.
	LostRequest
	// LateRequest: the connection closes without an answer, and the request is
	// executed only after the next call, of any method, was answered; or after Delay,
	// in which it was under way.
	LateRequest
	// SystemErrorBefore: not executed, and a signed SYSTEM_ERROR is answered.
	SystemErrorBefore
	// SystemErrorAfter: executed, and a signed SYSTEM_ERROR is answered.
	SystemErrorAfter
	// WrongSignature: executed, and the answer's signature is that of another text.
	WrongSignature
	// NoSignature: executed, and the answer has no signature.
	NoSignature
	// Slow: executed, and answered after Delay.
	Slow
	// LooseTypes: executed, and answered with numbers where the documents show
	// strings and an object where they show a list.
	LooseTypes
	// GatewayError: not executed; an unsigned isv.invalid-app-id is answered.
	GatewayError
	// HTTP500: not executed; a page of HTML is answered.
	HTTP500
	// Refused: the connection is refused and nothing is sent. It works through
	// [Alipay.HTTPClient] only, and Method does not matter, for a connection does
	// not yet say what it is for.
	Refused
	// Refusal: not executed, and a signed refusal with SubCode is answered.
	Refusal
)

// Faults of a notice. At most one befalls a notice, whatever befell its call.
const (
	// NoticeTwice: the same notice comes again after it was acknowledged.
	NoticeTwice FaultKind = iota + 64
	// NoticeTwiceNewID: a second notice of the same event, under another notify_id.
	NoticeTwiceNewID
	// NoticeLate: it is first sent after Delay.
	NoticeLate
	// NoticeOutOfOrder: it comes right after the next notice, or in an hour.
	NoticeOutOfOrder
	// NoticeEarly: it is sent, and its answer awaited, before the call is answered.
	NoticeEarly
	// NoticeNulls: most values are the literal null. That of a red packet carries
	// what the sample in Alipay's post on the interface carries, and no more: no
	// app_id, and of what happened only operation_type and amount.
	NoticeNulls
	// NoticeGBK: it is written, and signed, in GBK.
	NoticeGBK
	// NoticeForeign: first comes the same notice of another app_id, validly signed.
	NoticeForeign
)

var kindNames = map[FaultKind]string{
	LostAnswer: "lost answer", LostRequest: "lost request", LateRequest: "late request",
	SystemErrorBefore: "system error before", SystemErrorAfter: "system error after",
	WrongSignature: "wrong signature", NoSignature: "no signature", Slow: "slow",
	LooseTypes: "loose types", GatewayError: "gateway error", HTTP500: "HTTP 500",
	Refused: "connection refused", Refusal: "refusal",
	NoticeTwice: "notice twice", NoticeTwiceNewID: "notice twice, new id", NoticeLate: "notice late",
	NoticeOutOfOrder: "notice out of order", NoticeEarly: "notice before the answer",
	NoticeNulls: "notice with nulls", NoticeGBK: "notice in GBK", NoticeForeign: "notice of another app",
}

// String names the kind in plain words; empty for 0, no fault.
func (k FaultKind) String() string {
	if name, ok := kindNames[k]; ok || k == 0 {
		return name
	}
	return fmt.Sprintf("FaultKind(%d)", uint8(k))
}

// place is where a fault takes effect.
type place uint8

const (
	atDial place = iota
	atCall
	atNotice
)

func (k FaultKind) place() place {
	switch {
	case k == Refused:
		return atDial
	case k >= NoticeTwice:
		return atNotice
	}
	return atCall
}

// executes tells whether a call with this fault, or with none, is executed now.
func (k FaultKind) executes() bool {
	switch k {
	case LostRequest, LateRequest, SystemErrorBefore, GatewayError, HTTP500, Refusal:
		return false
	}
	return true
}

func (f Fault) matches(p place, method string) bool {
	switch {
	case f.Kind.place() != p:
		return false
	case p == atDial:
		return true
	case f.Method != "":
		return f.Method == method
	}
	return p == atNotice || slices.Contains(moving, method)
}

// faults are those that are planned, and those that come at random.
type faults struct {
	planned []Fault
	random  *rand.Rand
	rate    float64
	choice  []Fault
}

// next uses up the first fault that is planned for this place and method, or
// throws the dice. It returns the zero Fault if nothing goes wrong.
func (f *faults) next(p place, method string) Fault {
	for i, fault := range f.planned {
		if fault.matches(p, method) {
			f.planned = slices.Delete(f.planned, i, i+1)
			return fault
		}
	}
	// Only the faults of this place are drawn from, so that rate is the share of
	// calls, and of notices, that go wrong. A refused connection is one of a call's
	// faults, and is drawn before the call's method is known.
	var choice []Fault
	for _, fault := range f.choice {
		if (fault.Kind.place() == atNotice) == (p == atNotice) {
			choice = append(choice, fault)
		}
	}
	if len(choice) == 0 || f.random.Float64() >= f.rate {
		return Fault{}
	}
	if fault := choice[f.random.IntN(len(choice))]; fault.matches(p, method) {
		return fault
	}
	return Fault{}
}

// Inject plans faults. Each is used up by the next call, connection or notice
// that it matches; of several that match one call the first planned comes first.
func (a *Alipay) Inject(f ...Fault) {
	for _, fault := range f {
		if _, known := kindNames[fault.Kind]; !known {
			panic(fmt.Sprintf("alipaytest: there is no fault %v", fault.Kind))
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults.planned = append(a.faults.planned, f...)
}

// InjectRandomly makes a share of all calls and of all notices go wrong, by one
// of the given faults or, if none is given, of all kinds but [Refusal]. rate is
// that share, from 0 to 1; 0 ends it. The same seed makes the same choices for
// the same sequence of calls. Planned faults go first.
func (a *Alipay) InjectRandomly(seed uint64, rate float64, f ...Fault) {
	if len(f) == 0 {
		for kind := range kindNames {
			if kind != Refusal {
				f = append(f, Fault{Kind: kind})
			}
		}
		slices.SortFunc(f, func(a, b Fault) int { return int(a.Kind) - int(b.Kind) })
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults.random = rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // dice that must fall the same way again
	a.faults.rate, a.faults.choice = rate, slices.Clone(f)
}
