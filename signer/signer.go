// Package signer signs what goes to Alipay and verifies what comes from it:
// RSA2, which is SHA256withRSA with PKCS#1 v1.5 padding, over the texts that
// Alipay's "signing" pages define.
//
// A [Signer] holds the application's private key, or any [crypto.Signer] in its
// place, so that the key may stay in a KMS or a token. A [Verifier] holds
// Alipay's public keys. [AppendText] builds the text that both work on.
//
//	sign, err := signer.FromPEM(appPrivateKey)
//	verify, err := signer.VerifierFromPEM(alipayPublicKey)
//
// Keys are taken as Alipay's console hands them out: PEM, or the one bare line
// of base64. An application in certificate mode has three files instead of
// Alipay's public key:
//
//	sign, err = sign.WithCertificate(appCertPublicKey)
//	verify, err = signer.VerifierFromCertificates(alipayCertPublicKey, alipayRootCert)
//
// Both may be replaced while they are used: see [Signer.Switch],
// [Verifier.Switch] and [Verifier.Trust]. A [ContentKey] encrypts and decrypts
// what is signed.
package signer

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
)

// Errors of this package. Every error it returns wraps one of them.
var (
	// ErrKey: a key could not be used; the text says what it is and what was wanted.
	ErrKey = errors.New("signer: unusable key")
	// ErrOwnKey: the application's own public key was given where Alipay's belongs.
	ErrOwnKey = errors.New("signer: this is the application's own public key; Alipay's public key belongs here (console: 查看支付宝公钥)")
	// ErrSignature: the signature does not match the text under any of the keys.
	ErrSignature = errors.New("signer: the signature does not match")
	// ErrUnknownCertificate: the signature does not match, and the certificate that
	// was named is not among the trusted ones; comes with [ErrSignature].
	ErrUnknownCertificate = errors.New("the named certificate is not among the trusted ones")
	// ErrCertificate: a certificate could not be used, or not be trusted; the text
	// says why.
	ErrCertificate = errors.New("signer: unusable certificate")
	// ErrContent: an encrypted content could not be decrypted.
	ErrContent = errors.New("signer: the content cannot be decrypted")
	// ErrSigning: the key refused to sign, or what holds it could not be reached.
	ErrSigning = errors.New("signer: signing failed")
)

// minBits is the least RSA2 key that Alipay accepts.
const minBits = 2048

// Signer signs with the application's private key and, in certificate mode,
// names the application's certificate. It is safe for concurrent use if its key
// is; those of this package's constructors are.
type Signer struct {
	current atomic.Pointer[identity]
}

// identity is what a Signer holds at one moment. It is never changed: another
// takes its place.
type identity struct {
	key         crypto.Signer
	public      *rsa.PublicKey
	certificate *x509.Certificate // nil in key mode
	sn          string
}

func (i *identity) signer() *Signer {
	s := &Signer{}
	s.current.Store(i)
	return s
}

// New returns a Signer over any RSA key of at least 2048 bits: an
// *rsa.PrivateKey, or whatever stands for one in a KMS or HSM. It fails with
// [ErrKey].
func New(key crypto.Signer) (*Signer, error) {
	if isNil(key) {
		return nil, fmt.Errorf("%w: no private key was given", ErrKey)
	}
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: RSA2 wants an RSA key, not %T", ErrKey, key)
	}
	if fault := faultOf(public, minBits); fault != "" {
		return nil, fmt.Errorf("%w: the private key %s", ErrKey, fault)
	}
	if private, ok := key.(*rsa.PrivateKey); ok {
		if err := private.Validate(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
	}
	return (&identity{key: key, public: public}).signer(), nil
}

// isNil tells whether key holds nothing, so that asking it for its public half
// would panic: nil, a nil pointer in the interface, an empty ed25519 key.
func isNil(key crypto.Signer) bool {
	v := reflect.ValueOf(key)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Slice:
		return v.IsNil()
	default:
		return false
	}
}

// faultOf says what makes a key unusable, or nothing.
func faultOf(key *rsa.PublicKey, bits int) string {
	switch {
	case key == nil || key.N == nil:
		return "is nil"
	case key.N.BitLen() < bits:
		return fmt.Sprintf("has %d bits, and at least %d are wanted", key.N.BitLen(), bits)
	case key.E < 3 || key.E%2 == 0:
		return fmt.Sprintf("has the exponent %d, which no RSA key has", key.E)
	default:
		return ""
	}
}

// Sign returns the base64 signature of text. It fails with [ErrSigning].
func (s *Signer) Sign(text []byte) (string, error) {
	key := s.load().key
	if key == nil {
		return "", fmt.Errorf("%w: this Signer holds no key", ErrSigning)
	}
	digest := sha256.Sum256(text)
	raw, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSigning, err)
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

// Public returns the public half of the key, to upload to Alipay's console.
func (s *Signer) Public() *rsa.PublicKey { return s.load().public }

// Switch replaces the key, and the certificate, with those of next while the
// Signer is used: what is being signed is still signed with the old key, whatever
// comes later with the new one. A next without a key changes nothing. Both belong
// to one mode: to move an application from keys to certificates, start again.
func (s *Signer) Switch(next *Signer) {
	if i := next.load(); s != nil && i.key != nil {
		s.current.Store(i)
	}
}

// Current returns the Signer as it is now, which later switches of s do not
// change. Whoever signs a text that names the certificate takes it first, so that
// the two agree.
func (s *Signer) Current() *Signer { return s.load().signer() }

func (s *Signer) load() *identity {
	if s != nil {
		if i := s.current.Load(); i != nil {
			return i
		}
	}
	return &identity{}
}
