package shoptest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"

	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// Known returns all that the shop's store knows of refunds, without what
// asking about them changes.
func (s *Shop) Known() []string {
	s.T.Helper()
	rows, err := s.Config.Store.List(s.T.Context(), store.Filter{App: s.Config.App.ID})
	if err != nil {
		s.T.Fatal(err)
	}
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = fmt.Sprintf("%s %s %s %s %s %s", r.ID, r.State, r.Amount, r.Source, r.TradeNo, r.Attention)
	}
	slices.Sort(list)
	return list
}

// Insider is a key that the shop believes to be Alipay's, for what Alipay's own
// would never sign.
var Insider = sync.OnceValue(func() *rsa.PrivateKey { return PrivateKey(2048) })

// Stranger is a key that nobody believes: another application's platform key,
// or an attacker's.
var Stranger = sync.OnceValue(func() *rsa.PrivateKey { return PrivateKey(2048) })

func PrivateKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

// TrustInsider makes the shop believe the insider beside Alipay.
func (s *Shop) TrustInsider() {
	s.T.Helper()
	keys, err := signer.PublicKeysFromPEM(s.Alipay.AlipayPublicKey())
	if err != nil {
		s.T.Fatal(err)
	}
	if s.Config.App.Verifier, err = signer.NewVerifier(append(keys, &Insider().PublicKey)...); err != nil {
		s.T.Fatal(err)
	}
}

// Signature signs text as RSA2 does.
func Signature(key *rsa.PrivateKey, text string) string {
	digest := sha256.Sum256([]byte(text))
	return Pkcs1(key, crypto.SHA256, digest[:])
}

func Pkcs1(key *rsa.PrivateKey, hash crypto.Hash, digest []byte) string {
	raw, err := rsa.SignPKCS1v15(nil, key, hash, digest)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}
