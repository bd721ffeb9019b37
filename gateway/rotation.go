package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alirefund/alirefund/internal/rawjson"
	"github.com/alirefund/alirefund/signer"
)

// This file follows Alipay to its next certificate. Source: opendocs, "certificate
// mode", and alipay.open.app.alipaycert.download.

// verify tells whether Alipay signed text, which answers a call of ours; sn is the
// number of the certificate that the answer names.
//
// An unknown one has the certificate fetched. If the signature matches a trusted
// key all the same - Alipay usually renews a certificate for the same key - nobody
// waits for that. Otherwise the answer waits, until ctx ends.
func (c *Client) verify(ctx context.Context, sn string, text []byte, sign string) bool {
	err := c.verifier.VerifyBy(sn, text, sign)
	switch {
	case err == nil:
		if c.verifier.RootSN() != "" {
			c.fetch(sn)
		}
		return true
	case errors.Is(err, signer.ErrUnknownCertificate):
		for ended := c.fetch(sn); ended != nil; ended = c.fetch(sn) {
			select {
			case <-ended:
			case <-ctx.Done():
				return false
			}
		}
		return c.verifier.VerifyBy(sn, text, sign) == nil
	}
	return false
}

// fetch begins to fetch a certificate, and returns what is closed when that ends;
// or when the one ends that is under way, be it for another number. It returns nil
// if nothing is to be waited for: the certificate is known, sn is no number of
// one, or the last fetch failed a moment ago.
func (c *Client) fetch(sn string) <-chan struct{} {
	if !isSerial(sn) || c.verifier.Knows(sn) {
		return nil
	}
	f := &c.fetching
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.flight != nil:
		return f.flight
	case c.verifier.Knows(sn): // since a moment ago
		return nil
	case time.Now().Before(f.until):
		return nil
	}
	flight := make(chan struct{})
	f.flight = flight
	go func() {
		// The fetch has a context of its own, because several calls may wait for it,
		// and none of them ends it by giving up.
		ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
		defer cancel()
		err := c.download(ctx, sn)
		rest := f.land(err == nil)
		if err != nil {
			c.log.Warn("an answer names a certificate of Alipay's that could not be fetched", "certificate", sn, "not_again_for", rest, "error", err)
			return
		}
		c.log.Info("Alipay has a new certificate, which was fetched; put it into the configuration before the old one ends", "certificate", sn, "expires_at", c.verifier.Expires())
	}()
	return flight
}

// download fetches a certificate and has it trusted, if it is to be. The answer's
// own signature is not looked at: it may be by the very certificate that it
// brings, which has to prove itself, by its issuer, its subject and its number.
//
// The host's transport and key run here, on a goroutine that is not theirs: a
// panic of theirs is an error.
func (c *Client) download(ctx context.Context, sn string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: it panicked: %v", methodCertificate, p)
		}
	}()
	query, form, err := c.encode(methodCertificate, []byte(`{"alipay_cert_sn":"`+sn+`"}`), Options{}, time.Now())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	answer, _, err := c.post(ctx, query, form, nil)
	if err != nil {
		return err
	}
	e, err := cut(answer, methodCertificate)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	node, err := c.object(e.node, false)
	if err != nil {
		return err
	}
	var code, content string
	_, _ = rawjson.Fields(node, func(key, value []byte) {
		switch string(key) {
		case "code", "sub_code":
			code = strings.TrimSpace(code + " " + printable(text(value)))
		case "alipay_cert_content":
			content = text(value)
		}
	})
	file, err := base64.StdEncoding.DecodeString(content)
	if err != nil || len(bytes.TrimSpace(file)) == 0 {
		return fmt.Errorf("%s: %w: there is no certificate in it (%s)", methodCertificate, ErrNoAnswer, code)
	}
	return c.verifier.Trust(sn, string(file))
}

// isSerial tells whether a text looks like [signer.CertificateSN]: what nobody
// signed is asked for, and logged, only then.
func isSerial(sn string) bool {
	for _, c := range []byte(sn) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(sn) == 32
}
