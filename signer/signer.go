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
// of base64.
package signer

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Errors of this package. Every error it returns wraps one of them.
var (
	// ErrKey: a key could not be used; the text says what it is and what was wanted.
	ErrKey = errors.New("signer: unusable key")
	// ErrOwnKey: the application's own public key was given where Alipay's belongs.
	ErrOwnKey = errors.New("signer: this is the application's own public key; Alipay's public key belongs here (console: 查看支付宝公钥)")
	// ErrSignature: the signature does not match the text under any of the keys.
	ErrSignature = errors.New("signer: the signature does not match")
	// ErrSigning: the key refused to sign, or what holds it could not be reached.
	ErrSigning = errors.New("signer: signing failed")
)

// minBits is the least RSA2 key that Alipay accepts.
const minBits = 2048

// Signer signs with the application's private key. It is safe for concurrent
// use if its key is; those of this package's constructors are.
type Signer struct {
	key    crypto.Signer
	public *rsa.PublicKey
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
	return &Signer{key: key, public: public}, nil
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
	if s == nil || s.key == nil {
		return "", fmt.Errorf("%w: this Signer holds no key", ErrSigning)
	}
	digest := sha256.Sum256(text)
	raw, err := s.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSigning, err)
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

// Public returns the public half of the key, to upload to Alipay's console.
func (s *Signer) Public() *rsa.PublicKey {
	if s == nil {
		return nil
	}
	return s.public
}

// Verifier verifies with one or several of Alipay's public keys, so that a new
// key can be accepted before the old one ends. It is safe for concurrent use.
type Verifier struct {
	keys []*rsa.PublicKey
	sha1 bool
}

// NewVerifier returns a Verifier over keys of at least 2048 bits. It fails with
// [ErrKey].
func NewVerifier(keys ...*rsa.PublicKey) (*Verifier, error) {
	return newVerifier(minBits, keys)
}

func newVerifier(bits int, keys []*rsa.PublicKey) (*Verifier, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no public key of Alipay's was given", ErrKey)
	}
	for i, key := range keys {
		if fault := faultOf(key, bits); fault != "" {
			return nil, fmt.Errorf("%w: public key %d %s", ErrKey, i+1, fault)
		}
	}
	return &Verifier{keys: slices.Clone(keys)}, nil
}

// Verify tells whether sign, in base64, is the RSA2 signature of text under one
// of the keys. It fails with [ErrSignature].
func (v *Verifier) Verify(text []byte, sign string) error {
	digest := sha256.Sum256(text)
	return v.verify(crypto.SHA256, digest[:], sign)
}

func (v *Verifier) verify(hash crypto.Hash, digest []byte, sign string) error {
	if v == nil {
		v = &Verifier{}
	}
	var buf [512]byte // a signature of a 4096-bit key; a longer one is allocated
	raw, err := base64.StdEncoding.Strict().AppendDecode(buf[:0], []byte(sign))
	// One signature has one text: Strict minds the padding's bits, and the length
	// the line breaks that the decoder would skip.
	if err != nil || base64.StdEncoding.EncodedLen(len(raw)) != len(sign) {
		return fmt.Errorf("%w: it is not base64", ErrSignature)
	}
	for _, key := range v.keys {
		if rsa.VerifyPKCS1v15(key, hash, digest, raw) == nil {
			return nil
		}
	}
	return fmt.Errorf("%w under any of %d public keys", ErrSignature, len(v.keys))
}

// Holds tells whether key is among the verifier's keys. Give it the
// application's own public key to catch the commonest mix-up: see [Pair].
func (v *Verifier) Holds(key *rsa.PublicKey) bool {
	return v != nil && key != nil && key.N != nil &&
		slices.ContainsFunc(v.keys, func(own *rsa.PublicKey) bool { return own.Equal(key) })
}

// Pair checks that s and v can belong to one application: both given, and v not
// holding the application's own public key. It fails with [ErrKey] or
// [ErrOwnKey].
func Pair(s *Signer, v *Verifier) error {
	switch {
	case s == nil || s.key == nil:
		return fmt.Errorf("%w: no private key was given", ErrKey)
	case v == nil || len(v.keys) == 0:
		return fmt.Errorf("%w: no public key of Alipay's was given", ErrKey)
	case v.Holds(s.public):
		return ErrOwnKey
	}
	return nil
}
