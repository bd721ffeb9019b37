package signer

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Verifier verifies with one or several of Alipay's public keys, or in
// certificate mode with those of Alipay's certificates, so that a new one can be
// accepted before the old one ends. It is safe for concurrent use.
type Verifier struct {
	current atomic.Pointer[trust]
}

// trust is what a Verifier holds at one moment. It is never changed: another
// takes its place.
type trust struct {
	keys   []trusted
	sha1   bool
	pinned *pinned // in certificate mode, else nil
}

// trusted is one key and, in certificate mode, the certificate that it is from.
type trusted struct {
	key         *rsa.PublicKey
	certificate *x509.Certificate
	sn          string
}

func (t *trust) verifier() *Verifier {
	v := &Verifier{}
	v.current.Store(t)
	return v
}

// NewVerifier returns a Verifier over keys of at least 2048 bits. It fails with
// [ErrKey].
func NewVerifier(keys ...*rsa.PublicKey) (*Verifier, error) {
	t, err := newTrust(minBits, keys)
	if err != nil {
		return nil, err
	}
	return t.verifier(), nil
}

func newTrust(bits int, keys []*rsa.PublicKey) (*trust, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no public key of Alipay's was given", ErrKey)
	}
	t := &trust{}
	for i, key := range keys {
		if fault := faultOf(key, bits); fault != "" {
			return nil, fmt.Errorf("%w: public key %d %s", ErrKey, i+1, fault)
		}
		t.keys = append(t.keys, trusted{key: key})
	}
	return t, nil
}

// Verify tells whether sign, in base64, is the RSA2 signature of text under one
// of the keys, or of the certificates that are valid now. It fails with
// [ErrSignature].
func (v *Verifier) Verify(text []byte, sign string) error { return v.VerifyBy("", text, sign) }

// VerifyBy is [Verifier.Verify] for a text that came with the serial number of
// the certificate that signed it (alipay_cert_sn), and then takes that
// certificate's key alone. It fails with [ErrSignature].
//
// Nobody signed the number, so that it is a hint and proves nothing. If it names
// no certificate that is trusted and valid now, every such one's key is tried:
// when Alipay renews its certificate, the key stays. If none matches, the error
// wraps [ErrUnknownCertificate] too. In key mode sn is ignored.
func (v *Verifier) VerifyBy(sn string, text []byte, sign string) error {
	digest := sha256.Sum256(text)
	return v.load().verify(sn, crypto.SHA256, digest[:], sign)
}

func (t *trust) verify(sn string, hash crypto.Hash, digest []byte, sign string) error {
	var buf [512]byte // a signature of a 4096-bit key; a longer one is allocated
	raw, err := base64.StdEncoding.Strict().AppendDecode(buf[:0], []byte(sign))
	// One signature has one text: Strict minds the padding's bits, and the length
	// the line breaks that the decoder would skip.
	if err != nil || base64.StdEncoding.EncodedLen(len(raw)) != len(sign) {
		return fmt.Errorf("%w: it is not base64", ErrSignature)
	}
	if t.pinned != nil {
		return t.verifyByCertificate(sn, time.Now(), hash, digest, raw)
	}
	for i := range t.keys {
		if rsa.VerifyPKCS1v15(t.keys[i].key, hash, digest, raw) == nil {
			return nil
		}
	}
	return fmt.Errorf("%w under any of %d public keys", ErrSignature, len(t.keys))
}

// Holds tells whether key is among the verifier's keys. Give it the
// application's own public key to catch the commonest mix-up: see [Pair].
func (v *Verifier) Holds(key *rsa.PublicKey) bool {
	return key != nil && key.N != nil &&
		slices.ContainsFunc(v.load().keys, func(own trusted) bool { return own.key.Equal(key) })
}

// Switch replaces everything that v verifies with by what next does, while it is
// used. Give next the old key beside the new one as long as Alipay may still use
// it. A next without keys changes nothing.
func (v *Verifier) Switch(next *Verifier) {
	if t := next.load(); v != nil && len(t.keys) > 0 {
		v.current.Store(t)
	}
}

func (v *Verifier) load() *trust {
	if v != nil {
		if t := v.current.Load(); t != nil {
			return t
		}
	}
	return &trust{}
}

// Pair checks that s and v can belong to one application: both given, both with
// certificates or both without, and v not holding the application's own public
// key. It fails with [ErrKey], [ErrCertificate] or [ErrOwnKey].
func Pair(s *Signer, v *Verifier) error {
	own, alipay := s.load(), v.load()
	switch {
	case own.key == nil:
		return fmt.Errorf("%w: no private key was given", ErrKey)
	case len(alipay.keys) == 0:
		return fmt.Errorf("%w: no public key of Alipay's was given", ErrKey)
	case v.Holds(own.public):
		return ErrOwnKey
	case own.certificate != nil && alipay.pinned == nil:
		return fmt.Errorf("%w: the application's was given, but a public key of Alipay's instead of its certificate and the roots", ErrCertificate)
	case own.certificate == nil && alipay.pinned != nil:
		return fmt.Errorf("%w: Alipay's was given, but not the application's (Signer.WithCertificate)", ErrCertificate)
	}
	return nil
}
