package engine

import (
	"context"
	"time"
)

// expiryNotice is how long before its end a certificate is warned of: Alipay
// issues the successor of its own that early (opendocs, "certificate mode").
const expiryNotice = 30 * 24 * time.Hour

// CertificateEnds is when the certificates of the application and of Alipay end, by
// which calls are signed and answers verified; zero in key mode.
func (e *Engine) CertificateEnds() (application, alipay time.Time) {
	return e.config.App.Signer.Expires(), e.config.App.Verifier.Expires()
}

// warnOfExpiry logs each certificate that ends soon, or has ended. In key mode
// there is none.
func (e *Engine) warnOfExpiry(ctx context.Context) {
	application, alipay := e.CertificateEnds()
	for _, c := range []struct {
		whose, then, todo string
		ends              time.Time
	}{
		{"the application", "Alipay refuses every call", "change it in Alipay's console, then App.Signer", application},
		{"Alipay", "no answer and no notification can be verified", "download the new one from Alipay's console for App.Verifier", alipay},
	} {
		left := time.Until(c.ends)
		switch {
		case c.ends.IsZero() || left > expiryNotice:
		case left > 0:
			e.log.WarnContext(ctx, "a certificate ends soon", "certificate", c.whose, "expires_at", c.ends, "days", int(left/(24*time.Hour)), "then", c.then, "todo", c.todo)
		default:
			e.log.ErrorContext(ctx, "a certificate has ended", "certificate", c.whose, "expires_at", c.ends, "then", c.then, "todo", c.todo)
		}
	}
}
