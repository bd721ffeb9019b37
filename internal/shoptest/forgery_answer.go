package shoptest

import (
	"net/http"
	"regexp"
	"strings"
)

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
