package main

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alirefund/alirefund/signer"
)

// The checks of keys and certificates.
const (
	checkPrivateKey = "app_private_key"
	checkAlipayKey  = "alipay_public_key"
	checkAppCert    = "app_cert"
	checkAlipayCert = "alipay_cert"
	checkMode       = "mode"
)

// examineKeys returns what requests are signed and answers verified with, or nil
// for either if no request can be made with them.
func (d *doctor) examineKeys() (*signer.Signer, *signer.Verifier) {
	sign, err := signer.FromPEM(d.privateKey)
	if err != nil {
		d.found(checkPrivateKey, privateKeyUnusable, err.Error())
		sign = nil
	} else {
		d.fine(checkPrivateKey, bits(sign.Public().N.BitLen()))
	}
	certificates := d.appCert + d.alipayCert + d.rootCerts
	var verify *signer.Verifier
	switch {
	case d.alipayKey != "" && certificates != "":
		d.found(checkMode, modeMixed, "both a public key of Alipay's and certificates were given")
		return nil, nil
	case d.alipayKey != "":
		verify = d.examineAlipayKey()
	case d.appCert == "" || d.alipayCert == "" || d.rootCerts == "":
		d.found(checkMode, modeMixed, "only some of the three certificate files were given")
		return nil, nil
	default:
		sign = d.examineAppCert(sign)
		verify = d.examineAlipayCert()
	}
	if sign == nil || verify == nil {
		return nil, nil
	}
	switch err := signer.Pair(sign, verify); {
	case err == nil:
	case errors.Is(err, signer.ErrOwnKey) && certificates == "":
		d.replace(checkAlipayKey, ownKey, err.Error())
		return nil, nil
	case errors.Is(err, signer.ErrOwnKey):
		d.replace(checkAlipayCert, ownKey, err.Error())
		return nil, nil
	default:
		d.found(checkMode, modeMixed, err.Error())
		return nil, nil
	}
	d.fine(checkMode, map[bool]string{true: "key mode", false: "certificate mode"}[certificates == ""])
	return sign, verify
}

func (d *doctor) examineAlipayKey() *signer.Verifier {
	keys, err := signer.PublicKeysFromPEM(d.alipayKey)
	var verify *signer.Verifier
	if err == nil {
		verify, err = signer.NewVerifier(keys...)
	}
	if err != nil {
		d.found(checkAlipayKey, alipayKeyUnusable, err.Error())
		return nil
	}
	d.fine(checkAlipayKey, bits(keys[0].N.BitLen()))
	return verify
}

func bits(n int) string { return fmt.Sprintf("RSA, %d bits", n) }

// examineAppCert returns sign with the certificate.
func (d *doctor) examineAppCert(sign *signer.Signer) *signer.Signer {
	leaf := firstCertificate(d.appCert)
	if sign == nil {
		d.found(checkAppCert, notPossible, "without the private key nobody knows whose certificate it should be")
		return nil
	}
	certified, err := sign.WithCertificate(d.appCert)
	switch {
	case errors.Is(err, signer.ErrKey):
		d.found(checkAppCert, appCertOtherKey, err.Error())
		return nil
	case err != nil || leaf == nil:
		d.found(checkAppCert, appCertUnusable, orElse(err, "it cannot be read"))
		return nil
	}
	d.dates(checkAppCert, leaf, "app_cert_sn "+certified.CertificateSN())
	return certified
}

func (d *doctor) examineAlipayCert() *signer.Verifier {
	leaf := firstCertificate(d.alipayCert)
	verify, err := signer.VerifierFromCertificates(d.alipayCert, d.rootCerts)
	switch {
	case err != nil && leaf != nil && validity(leaf, time.Now()) != "":
		d.found(checkAlipayCert, certNotValid, validity(leaf, time.Now()))
		return nil
	case err != nil || leaf == nil:
		d.found(checkAlipayCert, alipayCertUnusable, orElse(err, "it cannot be read"))
		return nil
	}
	d.alipaySN = signer.CertificateSN(leaf)
	d.dates(checkAlipayCert, leaf, "alipay_cert_sn "+d.alipaySN+", alipay_root_cert_sn "+verify.RootSN())
	return verify
}

// soon is when the end of a certificate is worth a warning: Alipay issues a
// successor 30 days before.
const soon = 30 * 24 * time.Hour

// dates finds whether a certificate is valid, and for how long.
func (d *doctor) dates(check string, leaf *x509.Certificate, facts string) {
	now := time.Now()
	facts += ", until " + leaf.NotAfter.UTC().Format(time.DateOnly)
	switch fault := validity(leaf, now); {
	case fault != "":
		d.found(check, certNotValid, fault)
	case leaf.NotAfter.Sub(now) < soon:
		d.found(check, certEndsSoon, facts)
	default:
		d.fine(check, facts)
	}
}

// validity says why a certificate is not valid now, or nothing.
func validity(leaf *x509.Certificate, now time.Time) string {
	switch {
	case now.Before(leaf.NotBefore):
		return "it is not valid before " + leaf.NotBefore.UTC().Format(time.DateTime) + " UTC"
	case now.After(leaf.NotAfter):
		return "it ended on " + leaf.NotAfter.UTC().Format(time.DateTime) + " UTC"
	}
	return ""
}

// firstCertificate reads the certificate that counts of a file, as signer does,
// which has the last word on it: lost line breaks do not matter. It returns nil if
// it cannot be read.
func firstCertificate(text string) *x509.Certificate {
	text = strings.TrimPrefix(text, "\ufeff")
	if _, block, found := strings.Cut(text, "-----BEGIN CERTIFICATE-----"); found {
		text, _, _ = strings.Cut(block, "-----END CERTIFICATE-----")
	}
	text = strings.NewReplacer(`\r`, "", `\n`, "", "=", "").Replace(text)
	der, err := base64.RawStdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return leaf
}

// replace makes another finding of a check's one.
func (d *doctor) replace(check string, c code, message string) {
	for i, f := range d.findings {
		if f.Check == check {
			d.findings = append(d.findings[:i], d.findings[i+1:]...)
			break
		}
	}
	d.found(check, c, message)
}

func orElse(err error, otherwise string) string {
	if err != nil {
		return err.Error()
	}
	return otherwise
}
