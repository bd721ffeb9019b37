package engine

import (
	"context"
	"time"
)

// expiryNotice is how long before its end a certificate is warned of: Alipay
// issues the successor of its own that early (opendocs, "certificate mode").
const expiryNotice = 30 * 24 * time.Hour

// CertificateEnds is when the certificates of the application and of Alipay end, by
// which calls are signed and answers verified; zero in key mode, and where there is no
// application.
func (e *Engine) CertificateEnds() (application, alipay time.Time) {
	if e.lost != nil {
		return time.Time{}, time.Time{}
	}
	return e.app.Signer.Expires(), e.app.Verifier.Expires()
}

// ending is a certificate that ends soon, or has ended.
type ending struct {
	whose, then, todo string
	ends              time.Time
	left              time.Duration
}

// ending returns the certificates of the two that do. In key mode there is none.
func (e *Engine) ending() (soon []ending) {
	application, alipay := e.CertificateEnds()
	for _, c := range []ending{
		{"the application", "Alipay refuses every call", "change it in Alipay's console, then App.Signer", application, time.Until(application)},
		{"Alipay", "no answer and no notification can be verified", "download the new one from Alipay's console for App.Verifier", alipay, time.Until(alipay)},
	} {
		if !c.ends.IsZero() && c.left <= expiryNotice {
			soon = append(soon, c)
		}
	}
	return soon
}

// warnOfExpiry logs each certificate that ends soon, or has ended.
func (e *Engine) warnOfExpiry(ctx context.Context) {
	for _, c := range e.ending() {
		if c.left > 0 {
			e.log.WarnContext(ctx, "a certificate ends soon", "certificate", c.whose, "expires_at", c.ends, "days", int(c.left/(24*time.Hour)), "then", c.then, "todo", c.todo)
		} else {
			e.log.ErrorContext(ctx, "a certificate has ended", "certificate", c.whose, "expires_at", c.ends, "then", c.then, "todo", c.todo)
		}
	}
}
