package alipaytest

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/alirefund/alirefund/signer"
)

// appKey is one key of the application's that is accepted.
type appKey struct {
	verify   *signer.Verifier
	sn, file string    // of its certificate, in certificate mode
	ends     time.Time // of the certificate
	until    time.Time // when Alipay ceases to accept it; zero: not foreseen
}

// grace is how long Alipay accepts a key that was replaced (opendocs, "interface
// signing").
const grace = 7 * 24 * time.Hour

// SetAppPublicKey replaces the application's key, in any form that
// [signer.PublicKeysFromPEM] reads, as uploading one to Alipay's console does:
// for seven days by the fake's clock, requests that are signed by the one before
// are accepted, too. In certificate mode [Alipay.AppCertificate] is the new key's
// afterwards. It panics if the key is unusable.
func (a *Alipay) SetAppPublicKey(publicKey string) {
	a.acceptApp(must(signer.PublicKeysFromPEM(publicKey))[0])
}

// AppCertificate returns what Alipay's console offers as appCertPublicKey_*.crt,
// of the application's current key. Empty unless in certificate mode.
func (a *Alipay) AppCertificate() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.appKeys[len(a.appKeys)-1].file
}

func (a *Alipay) acceptApp(public *rsa.PublicKey) {
	key := appKey{verify: must(signer.NewVerifier(public))}
	if a.certificates {
		var cert *x509.Certificate
		cert, key.file = authorities().issue(a.sellerID+"-"+a.appID, public, a.now())
		key.sn, key.ends = signer.CertificateSN(cert), cert.NotAfter
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.appKeys); n > 0 {
		a.appKeys[n-1].until = a.clock().Add(grace)
	}
	a.appKeys = append(a.appKeys, key)
}

// accepted returns the application's keys that are accepted now; in certificate
// mode, the one that the certificate is of.
func (a *Alipay) accepted(certificate string) []appKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock()
	return slices.DeleteFunc(slices.Clone(a.appKeys), func(key appKey) bool {
		return !key.until.IsZero() && now.After(key.until) || a.certificates && key.sn != certificate
	})
}

// checkCertificates refuses what Alipay refuses of a request's app_cert_sn and
// alipay_root_cert_sn.
func (a *Alipay) checkCertificates(app, root string) *failure {
	if !a.certificates {
		return nil
	}
	keys := a.accepted(app)
	switch {
	case app == "":
		return business("isv.missing-app-cert-sn", "缺少应用公钥证书序列号")
	case len(keys) == 0:
		return business("isv.app-cert-not-exist", "应用公钥证书不存在")
	case a.now().After(keys[0].ends):
		return business("isv.app-cert-expired", "应用公钥证书已过期")
	case root == "":
		return business("isv.missing-alipay-root-cert-sn", "缺少支付宝根证书序列号")
	case root != authorities().sn:
		return business("isv.invalid-alipay-root-cert-sn", "无效的支付宝根证书序列号")
	}
	return nil
}

// verifyApp verifies a request's signature; in certificate mode under the key of
// the certificate that it names.
func (a *Alipay) verifyApp(certificate string, text []byte, sign string) error {
	err := fmt.Errorf("alipaytest: %w", signer.ErrSignature)
	for _, key := range a.accepted(certificate) {
		if err = key.verify.Verify(text, sign); err == nil {
			return nil
		}
	}
	return err
}

// decrypt decrypts a request's content. If the application has a content key, every
// content must come encrypted, except in the download of a certificate.
func (a *Alipay) decrypt(q *request) *failure {
	switch kind := q.params["encrypt_type"]; {
	case a.content == nil && kind == "":
		return nil
	case a.content == nil:
		return business("isv.missing-encrypt-key", "缺少加密配置")
	case kind == "" && q.method == methodCertificate:
		return nil
	case kind == "":
		return business("isv.missing-encrypt-type", "缺少加密类型")
	case kind != "AES":
		return business("isv.invalid-encrypt-type", "无效的加密类型")
	}
	plain, err := a.content.Decrypt(q.content)
	if err != nil {
		return business("isv.invalid-encrypt", "解密异常")
	}
	q.content, q.encrypted = string(plain), true
	return nil
}
