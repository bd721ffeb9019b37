package shoptest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// Known returns all that the shop's store knows of refunds, without what
// asking about them changes.
func (s *Shop) Known() []string {
	s.T.Helper()
	rows, err := s.Config.Store.List(s.T.Context(), store.Filter{App: s.Config.App.ID})
	if err != nil {
		s.T.Fatal(err)
	}
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = fmt.Sprintf("%s %s %s %s %s %s", r.ID, r.State, r.Amount, r.Source, r.TradeNo, r.Attention)
	}
	slices.Sort(list)
	return list
}

// Insider is a key that the shop believes to be Alipay's, for what Alipay's own
// would never sign.
var Insider = sync.OnceValue(func() *rsa.PrivateKey { return PrivateKey(2048) })

// Stranger is a key that nobody believes: another application's platform key,
// or an attacker's.
var Stranger = sync.OnceValue(func() *rsa.PrivateKey { return PrivateKey(2048) })

func PrivateKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

// TrustInsider makes the shop believe the insider beside Alipay.
func (s *Shop) TrustInsider() {
	s.T.Helper()
	keys, err := signer.PublicKeysFromPEM(s.Alipay.AlipayPublicKey())
	if err != nil {
		s.T.Fatal(err)
	}
	if s.Config.App.Verifier, err = signer.NewVerifier(append(keys, &Insider().PublicKey)...); err != nil {
		s.T.Fatal(err)
	}
}

// Signature signs text as RSA2 does.
func Signature(key *rsa.PrivateKey, text string) string {
	digest := sha256.Sum256([]byte(text))
	return Pkcs1(key, crypto.SHA256, digest[:])
}

func Pkcs1(key *rsa.PrivateKey, hash crypto.Hash, digest []byte) string {
	raw, err := rsa.SignPKCS1v15(nil, key, hash, digest)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// Talk is one genuine answer, taken apart.
type Talk struct {
	Shop               *Shop
	Body               string // all of it
	Number             string // of its certificate, in certificate mode
	Name, Node, Signed string // the signed node, its name, and the signature
	Request            *http.Request
}

var Parts = regexp.MustCompile(`(?s)^\{"(\w+)":(.*?)(?:,"alipay_cert_sn":"(\w+)")?,"sign":"([^"]+)"\}$`)

func (s *Shop) Talk(body string) Talk {
	x := Talk{Shop: s, Body: body}
	if found := Parts.FindStringSubmatch(body); found != nil {
		x.Name, x.Node, x.Number, x.Signed = found[1], found[2], found[3], found[4]
	}
	return x
}

// Saying puts another node and signature into the envelope.
func (x Talk) Saying(node, sign string) string {
	return `{"` + x.Name + `":` + node + `,"sign":"` + sign + `"}`
}

// With changes the node's text and keeps the signature.
func (x Talk) With(old, now string) string { return x.Saying(x.Changed(old, now), x.Signed) }

func (x Talk) Changed(old, now string) string {
	if !strings.Contains(x.Node, old) {
		panic(old + " is not in " + x.Node)
	}
	return strings.Replace(x.Node, old, now, 1)
}

// MovedFor returns how often the money of an answered refund moved.
func (s *Shop) MovedFor(r Reply) int {
	n := 0
	for _, m := range s.Alipay.Movements() {
		if m.OutRequestNo == r.Str("out_request_no") && m.OutTradeNo == r.Str("out_trade_no") && m.AuthNo == r.Str("auth_no") {
			n++
		}
	}
	return n
}

// What certificates and encryption offer to forgers.

// Numbered names a certificate beside the genuine node, or another node.
func (x Talk) Numbered(node, number, sign string) string {
	return `{"` + x.Name + `":` + node + `,"alipay_cert_sn":"` + number + `","sign":"` + sign + `"}`
}

// Strange is the genuine node, signed by a stranger who names a certificate of
// his.
func (x Talk) Strange(file string) string {
	return x.Numbered(x.Node, Number(new(testing.T), file), Signature(Stranger(), x.Node))
}

// Own is the genuine node, signed by the application, whose certificate is by the
// same authority as Alipay's.
func (x Talk) Own(number string) string {
	sign, _ := x.Shop.Config.App.Signer.Sign([]byte(x.Node))
	return x.Numbered(x.Node, number, sign)
}

// Ciphertext returns another node, encrypted with the application's key.
func (x Talk) Ciphertext(plain string) string {
	return Quoted(x.Shop.Config.App.ContentKey.Encrypt([]byte(plain)))
}

// Bare is the genuine node without its quotes, which are signed.
func (x Talk) Bare() string { return strings.Trim(x.Node, `"`) }

// Forger has a genuine notice and what can be done with it.
type Forger struct {
	Shop   *Shop
	Base   map[string]string
	Body   string     // the genuine one
	Params url.Values // the same, decoded, with sign and sign_type
}

func (s *Shop) Forger(base map[string]string) Forger {
	s.T.Helper()
	f := Forger{Shop: s, Base: base, Body: s.Alipay.SignedNotice(base)}
	var err error
	if f.Params, err = url.ParseQuery(f.Body); err != nil {
		s.T.Fatal(err)
	}
	return f
}

// With changes fields and keeps the signature; "-" removes one.
func (f Forger) With(changes ...string) string {
	params := maps.Clone(f.Params)
	for i := 0; i < len(changes); i += 2 {
		if params.Set(changes[i], changes[i+1]); changes[i+1] == "-" {
			params.Del(changes[i])
		}
	}
	return params.Encode()
}

// Signed changes fields and has Alipay sign that, as it does for another
// application or another event.
func (f Forger) Signed(changes ...string) string {
	return f.Shop.Alipay.SignedNotice(Changed(f.Base, changes...))
}

// By signs the unchanged fields in another way.
func (f Forger) By(sign func(*rsa.PrivateKey, string) string, key *rsa.PrivateKey, changes ...string) string {
	return f.With(append(changes, "sign", sign(key, f.Text(signer.WithoutSignType)))...)
}

// Text is what is signed of the genuine notice.
func (f Forger) Text(form signer.Form) string {
	var params []signer.Param
	for key, values := range f.Params {
		params = append(params, signer.Param{Key: key, Value: values[0]})
	}
	return string(signer.AppendText(nil, params, form))
}

func (f Forger) Sign() string { return f.Params.Get("sign") }

func Changed(base map[string]string, changes ...string) map[string]string {
	params := maps.Clone(base)
	for i := 0; i < len(changes); i += 2 {
		if params[changes[i]] = changes[i+1]; changes[i+1] == "-" {
			delete(params, changes[i])
		}
	}
	return params
}

// What is signed by Alipay, or as if, and proves nothing of the refund that
// waits; and what is made of requests.

// SecondOrder is an order that the tests refund elsewhere.
const SecondOrder = "4100000000000017"

// AnswerTo returns Alipay's genuine answer to a call that another program of the
// application makes.
func (s *Shop) AnswerTo(call func(*gateway.Client)) string {
	call(s.Console())
	calls := s.Alipay.Calls()
	return calls[len(calls)-1].Answer
}

// Refunded is the answer to another refund.
func (x Talk) Refunded(outTradeNo, number string, amount money.Amount) string {
	if outTradeNo == SecondOrder {
		x.Shop.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: SecondOrder, Total: 88_88})
	}
	return x.Shop.AnswerTo(func(c *gateway.Client) {
		_, _ = c.RefundTrade(x.Shop.T.Context(), gateway.TradeRefund{OutTradeNo: outTradeNo, OutRequestNo: number, RefundAmount: amount}, gateway.Options{})
	})
}

// Asked is the answer to the question about another refund.
func (x Talk) Asked(outTradeNo, number string, amount money.Amount) string {
	x.Refunded(outTradeNo, number, amount)
	return x.Shop.AnswerTo(func(c *gateway.Client) {
		_, _ = c.QueryRefund(x.Shop.T.Context(), gateway.RefundQuery{OutTradeNo: outTradeNo, OutRequestNo: number}, gateway.Options{})
	})
}

// Traded is the answer to the question about an order.
func (x Talk) Traded(outTradeNo string) string {
	return x.Shop.AnswerTo(func(c *gateway.Client) {
		_, _ = c.QueryTrade(x.Shop.T.Context(), gateway.TradeQuery{OutTradeNo: outTradeNo}, gateway.Options{})
	})
}

// Returned is the answer to another red packet's refund.
func (x Talk) Returned(number string, amount money.Amount) string {
	p := x.Shop.Alipay.AddRedPacket(alipaytest.RedPacket{})
	return x.Shop.AnswerTo(func(c *gateway.Client) {
		_, _ = c.RefundCoupon(x.Shop.T.Context(), gateway.CouponRefund{AuthNo: p.AuthNo, OutRequestNo: number, Amount: amount, Remark: "r"}, gateway.Options{})
	})
}

// Operation is the answer to the question about an operation of a red packet.
func (x Talk) Operation(outOrderNo, number string) string {
	return x.Shop.AnswerTo(func(c *gateway.Client) {
		_, _ = c.QueryCoupon(x.Shop.T.Context(), gateway.CouponQuery{OutOrderNo: outOrderNo, OutRequestNo: number}, gateway.Options{})
	})
}

// Renamed is another genuine answer under this one's name.
func (x Talk) Renamed(other string) string {
	o := x.Shop.Talk(other)
	return x.Saying(o.Node, o.Signed)
}

// Insider has the node changed and signed by a key that the shop believes.
func (x Talk) Insider(old, now string) string { return x.InsiderNode(x.Changed(old, now)) }

func (x Talk) InsiderNode(node string) string {
	return x.Saying(node, Signature(Insider(), node))
}
