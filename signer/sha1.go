package signer

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the algorithm that sign_type=RSA names; never used unless asked for by its long name
	"fmt"
)

// weakBits is the size of Alipay's old platform-wide key.
const weakBits = 1024

// NewVerifierAcceptingSHA1AndWeakKeys returns a Verifier that takes keys from
// 1024 bits on and, beside RSA2, signatures of sign_type=RSA, which are
// SHA1withRSA. The old platform key that signs them is one for all merchants, so
// a notice for somebody else's application verifies under it, and SHA1 is
// broken. It exists for old captures and applications that Alipay never moved
// to RSA2. It fails with [ErrKey].
func NewVerifierAcceptingSHA1AndWeakKeys(keys ...*rsa.PublicKey) (*Verifier, error) {
	t, err := newTrust(weakBits, keys)
	if err != nil {
		return nil, err
	}
	t.sha1 = true
	return t.verifier(), nil
}

// AcceptsSHA1 tells whether v was made by [NewVerifierAcceptingSHA1AndWeakKeys].
func (v *Verifier) AcceptsSHA1() bool { return v.load().sha1 }

// VerifySHA1 is [Verifier.Verify] for sign_type=RSA. It fails with
// [ErrSignature], always if v does not accept SHA1.
func (v *Verifier) VerifySHA1(text []byte, sign string) error {
	t := v.load()
	if !t.sha1 {
		return fmt.Errorf("%w: SHA1 (sign_type RSA) is not accepted", ErrSignature)
	}
	digest := sha1.Sum(text) //nolint:gosec // see the import
	return t.verify("", crypto.SHA1, digest[:], sign)
}
