package shoptest

import (
	"strings"
	"testing"
)

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
