package signer

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
)

// FromPEM returns a Signer over a private key as Alipay's tools write it: PEM
// or one bare line of base64, PKCS#1 or PKCS#8, even if its line breaks were
// lost on the way. It fails with [ErrKey]; the error says what the text is
// instead and never repeats it.
func FromPEM(text string) (*Signer, error) {
	der, err := decode(text)
	if err != nil {
		return nil, err
	}
	key, err := parse(der)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%w: this is %s, and the application's private key is wanted", ErrKey, describe(key))
	}
	return New(private)
}

// VerifierFromPEM returns a Verifier over Alipay's public keys, each as the
// console shows it: PEM or one bare line of base64, SPKI or PKCS#1, or an X.509
// certificate, of which the first one in the text counts. It fails with
// [ErrKey]; the error says what the text is instead and never repeats it.
func VerifierFromPEM(texts ...string) (*Verifier, error) {
	keys, err := PublicKeysFromPEM(texts...)
	if err != nil {
		return nil, err
	}
	return NewVerifier(keys...)
}

// PublicKeysFromPEM reads public keys by the rules of [VerifierFromPEM], of any
// size. It fails with [ErrKey].
func PublicKeysFromPEM(texts ...string) ([]*rsa.PublicKey, error) {
	keys := make([]*rsa.PublicKey, 0, len(texts))
	for _, text := range texts {
		der, err := decode(text)
		if err != nil {
			return nil, err
		}
		key, err := parse(der)
		if err != nil {
			return nil, err
		}
		switch key := key.(type) {
		case *rsa.PublicKey:
			keys = append(keys, key)
		case *x509.Certificate:
			public, ok := key.PublicKey.(*rsa.PublicKey)
			if !ok {
				return nil, fmt.Errorf("%w: the certificate's key is not RSA", ErrKey)
			}
			keys = append(keys, public)
		default:
			return nil, fmt.Errorf("%w: this is %s, and Alipay's public key is wanted", ErrKey, describe(key))
		}
	}
	return keys, nil
}

// decode returns the DER of the first PEM block, or of a bare base64 text.
// Line breaks and blanks do not matter in either: encoding/pem is stricter, but
// keys travel through environment variables and YAML, which lose line breaks or
// turn them into a backslash and an n.
func decode(text string) ([]byte, error) {
	body := strings.TrimPrefix(text, "\ufeff")
	if _, block, ok := strings.Cut(body, "-----BEGIN "); ok {
		label, rest, ok := strings.Cut(block, "-----")
		inner, _, ended := strings.Cut(rest, "-----END "+label+"-----")
		switch {
		case !ok || !ended:
			return nil, fmt.Errorf("%w: a PEM block without its END line (cut off while copying?)", ErrKey)
		case strings.Contains(label, "ENCRYPTED") || strings.Contains(inner, ",ENCRYPTED"):
			return nil, fmt.Errorf("%w: it is encrypted with a password; decrypt it first", ErrKey)
		case strings.HasPrefix(label, "EC "):
			return nil, fmt.Errorf("%w: an EC key, and RSA2 wants RSA", ErrKey)
		case strings.HasSuffix(label, "CERTIFICATE REQUEST"):
			return nil, fmt.Errorf("%w: a certificate request, which only Alipay's console wants", ErrKey)
		case strings.HasPrefix(label, "OPENSSH"):
			return nil, fmt.Errorf("%w: a key in OpenSSH's own format; PKCS#1 or PKCS#8 is wanted", ErrKey)
		}
		body = inner
	}
	switch der, ok := fromBase64(body); {
	case !ok:
		return nil, fmt.Errorf("%w: it is neither PEM nor base64 (a stray character, or cut off while copying?)", ErrKey)
	case len(der) == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrKey)
	default:
		return der, nil
	}
}

// fromBase64 decodes base64 with or without its padding, whatever blanks and
// line breaks stand in it.
func fromBase64(text string) ([]byte, bool) {
	text = strings.Join(strings.Fields(unescape.Replace(text)), "")
	if data, err := base64.StdEncoding.DecodeString(text); err == nil {
		return data, true
	}
	data, err := base64.RawStdEncoding.DecodeString(text)
	return data, err == nil
}

var unescape = strings.NewReplacer(`\r`, "", `\n`, "")

// parse takes every form that Alipay's tools write. Their bare PKCS#1 and
// PKCS#8 lines look alike, and PEM labels lie, so each is simply tried.
func parse(der []byte) (any, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return key, nil
	}
	if certificate, err := x509.ParseCertificate(der); err == nil {
		return certificate, nil
	}
	if _, err := x509.ParseECPrivateKey(der); err == nil {
		return nil, fmt.Errorf("%w: an EC key, and RSA2 wants RSA", ErrKey)
	}
	// A bare base64 line of a file that itself was PEM: name the mistake.
	if bytes.Contains(der, []byte("-----BEGIN")) {
		return nil, fmt.Errorf("%w: a PEM file that was encoded in base64 once more", ErrKey)
	}
	return nil, fmt.Errorf("%w: no PKCS#1, PKCS#8 or SPKI key and no certificate is in it (cut off while copying?)", ErrKey)
}

func describe(key any) string {
	switch key.(type) {
	case *rsa.PrivateKey:
		return "a private key"
	case *rsa.PublicKey:
		return "a public key"
	case *x509.Certificate:
		return "a certificate"
	default:
		return fmt.Sprintf("not an RSA key but %T", key)
	}
}
