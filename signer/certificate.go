package signer

import (
	"crypto/md5" //nolint:gosec // Alipay's serial numbers are MD5 sums; they name certificates and prove nothing
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// WithCertificate returns a Signer with the same key for certificate mode. The
// text is the application's certificate, which the console offers as
// appCertPublicKey_*.crt; the first certificate in it counts. Its dates are not
// checked here, but by Alipay: see [Signer.Expires]. It fails with
// [ErrCertificate], or with [ErrKey] if the certificate is of another key.
func (s *Signer) WithCertificate(pemText string) (*Signer, error) {
	own := *s.load()
	if own.key == nil {
		return nil, fmt.Errorf("%w: this Signer holds no key", ErrKey)
	}
	leaf, _, err := parseCertificates(pemText)
	if err != nil {
		return nil, fmt.Errorf("%w: the application's certificate: %w", ErrCertificate, err)
	}
	if !own.public.Equal(leaf.PublicKey) {
		return nil, fmt.Errorf("%w: the certificate is of another key than this private key (appCertPublicKey_*.crt belongs here, made from this key's request)", ErrKey)
	}
	own.certificate, own.sn = leaf, CertificateSN(leaf)
	return own.signer(), nil
}

// CertificateSN returns the parameter app_cert_sn, or "" in key mode.
func (s *Signer) CertificateSN() string { return s.load().sn }

// Expires returns when the application's certificate ends, or the zero time in
// key mode.
func (s *Signer) Expires() time.Time {
	if certificate := s.load().certificate; certificate != nil {
		return certificate.NotAfter
	}
	return time.Time{}
}

// CertificateSN returns the number by which Alipay names a parsed certificate
// (app_cert_sn, alipay_cert_sn): 32 hexadecimal digits, the MD5 sum of the
// issuer's name and the serial number in decimal. It returns "" for nil. Source:
// AntCertificationUtil of Alipay's Java SDK.
func CertificateSN(cert *x509.Certificate) string {
	if cert == nil || cert.SerialNumber == nil {
		return ""
	}
	return serialNumber(cert.RawIssuer, cert.SerialNumber)
}

// RootSN returns the parameter alipay_root_cert_sn of a root file
// (alipayRootCert.crt): the [CertificateSN] of each certificate in it that is
// signed by RSA, in the file's order, joined by "_". The others, of which the
// file has one by SM2, are left out. It fails with [ErrCertificate]. Source:
// AntCertificationUtil of Alipay's Java SDK.
func RootSN(bundlePEM string) (string, error) {
	ders, err := certificatesIn(bundlePEM)
	if err != nil {
		return "", rootError(err)
	}
	sn, err := rootNumbers(ders)
	if err != nil {
		return "", rootError(err)
	}
	return sn, nil
}

func rootError(err error) error {
	return fmt.Errorf("%w: the root certificates: %w", ErrCertificate, err)
}

func rootNumbers(ders [][]byte) (string, error) {
	var numbers []string
	for _, der := range ders {
		// Nothing but this much is needed, which Go can read of certificates by SM2.
		var c struct {
			TBS struct {
				Version   int `asn1:"optional,explicit,default:0,tag:0"`
				Serial    *big.Int
				Algorithm pkix.AlgorithmIdentifier
				Issuer    asn1.RawValue
			}
			Algorithm pkix.AlgorithmIdentifier
		}
		if _, err := asn1.Unmarshal(der, &c); err != nil || !strings.HasPrefix(c.Algorithm.Algorithm.String(), rsaSignatures) {
			continue
		}
		number := serialNumber(c.TBS.Issuer.FullBytes, c.TBS.Serial)
		if number == "" {
			return "", errors.New("the name of an issuer cannot be read")
		}
		numbers = append(numbers, number)
	}
	if len(numbers) == 0 {
		return "", errors.New("none of them is signed by RSA (alipayRootCert.crt belongs here)")
	}
	return strings.Join(numbers, "_"), nil
}

// rsaSignatures begins the identifier of every RSA signature: PKCS#1.
const rsaSignatures = "1.2.840.113549.1.1."

// serialNumber wants the issuer's name as Java's X500Principal.getName prints it:
// RFC 2253, the last part of the encoded name first. A [pkix.RDNSequence] does
// the same, tried on Java 17, with several values of one kind, values of several
// parts, commas and Chinese. A [pkix.Name] does not: it sorts the parts by kind.
// What still differs occurs in no certificate of Alipay's: Java also escapes "="
// and "#" within a value, writes DC and UID by their names, and a serialNumber or
// postalCode as hexadecimal digits. It returns "" for what is no name.
func serialNumber(rawIssuer []byte, serial *big.Int) string {
	var issuer pkix.RDNSequence
	if _, err := asn1.Unmarshal(rawIssuer, &issuer); err != nil {
		return ""
	}
	sum := md5.Sum([]byte(issuer.String() + serial.String())) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// parseCertificates returns the first certificate in a text, and the others that
// can be read.
func parseCertificates(text string) (first *x509.Certificate, others []*x509.Certificate, err error) {
	ders, err := certificatesIn(text)
	if err != nil {
		return nil, nil, err
	}
	for i, der := range ders {
		certificate, err := x509.ParseCertificate(der)
		switch {
		case err != nil && i == 0:
			return nil, nil, errors.New("the first one cannot be read (damaged, or not by RSA?)")
		case i == 0 && CertificateSN(certificate) == "":
			return nil, nil, errors.New("the name of its issuer cannot be read")
		case i == 0:
			first = certificate
		case err == nil:
			others = append(others, certificate)
		}
	}
	return first, others, nil
}

// certificatesIn returns the DER of every certificate in a text, of which there
// is at least one: PEM, or one bare line of base64. Like decode it does not mind
// lost line breaks.
func certificatesIn(text string) ([][]byte, error) {
	const begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
	text = strings.TrimPrefix(text, "\ufeff")
	if !strings.Contains(text, "-----BEGIN ") {
		text = begin + text + end
	}
	var ders [][]byte
	for {
		_, block, found := strings.Cut(text, begin)
		if !found {
			break
		}
		inner, rest, ended := strings.Cut(block, end)
		der, ok := fromBase64(inner)
		switch {
		case !ended:
			return nil, errors.New("a PEM block without its END line (cut off while copying?)")
		case !ok:
			return nil, errors.New("it is neither PEM nor base64 (a stray character, or cut off while copying?)")
		case len(der) == 0:
			return nil, errors.New("it is empty")
		}
		ders, text = append(ders, der), rest
	}
	if len(ders) == 0 {
		return nil, errors.New("there is no certificate in it")
	}
	return ders, nil
}
