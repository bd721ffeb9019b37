package alirefund_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// The forgery suite: notices, answers and requests that differ from a genuine
// one in one thing, or come at the wrong place, against the mounted routes. None
// may be believed; and the genuine one must be, afterwards, or the forged one was
// refused for another reason than its forgery. What only TLS protects from is not
// among them: docs/guarantees.md, "What is assumed".

// fewest is how many hostile cases the suite has at least.
const fewest = 60

func TestForgeries(t *testing.T) {
	var f forgeries
	t.Run("notices", f.notices)
	t.Run("replays", f.replays)
	t.Run("answers", f.answers)
	t.Run("questions", f.questions)
	t.Run("look-ups", f.lookups)
	t.Run("requests", f.requests)
	t.Logf("%d hostile cases: %d accepted", f.cases.Load(), f.accepted.Load())
	if f.cases.Load() < fewest || f.accepted.Load() > 0 {
		t.Errorf("%d cases, want at least %d; %d accepted, want none", f.cases.Load(), fewest, f.accepted.Load())
	}
}

// forgeries counts.
type forgeries struct{ cases, accepted atomic.Int32 }

// each runs one subtest for each row of a table, in parallel.
func each[row interface{ title() string }](f *forgeries, t *testing.T, rows []row, test func(*testing.T, row)) {
	f.cases.Add(int32(len(rows)))
	for _, c := range rows {
		t.Run(c.title(), func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

// believed says that a hostile case was.
func (f *forgeries) believed(t *testing.T, format string, args ...any) {
	t.Helper()
	f.accepted.Add(1)
	t.Errorf("ACCEPTED: "+format, args...)
}

// named is the name of a row.
type named string

func (n named) title() string { return string(n) }

// known returns all that the shop's store knows of refunds, without what
// asking about them changes.
func (s *shop) known() []string {
	s.t.Helper()
	rows, err := s.config.Store.List(s.t.Context(), store.Filter{App: s.config.App.ID})
	if err != nil {
		s.t.Fatal(err)
	}
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = fmt.Sprintf("%s %s %s %s %s %s", r.ID, r.State, r.Amount, r.Source, r.TradeNo, r.Attention)
	}
	slices.Sort(list)
	return list
}

// insider is a key that the shop believes to be Alipay's, for what Alipay's own
// would never sign.
var insider = sync.OnceValue(func() *rsa.PrivateKey { return privateKey(2048) })

// stranger is a key that nobody believes: another application's platform key,
// or an attacker's.
var stranger = sync.OnceValue(func() *rsa.PrivateKey { return privateKey(2048) })

func privateKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

// trustInsider makes the shop believe the insider beside Alipay.
func (s *shop) trustInsider() {
	s.t.Helper()
	keys, err := signer.PublicKeysFromPEM(s.alipay.AlipayPublicKey())
	if err != nil {
		s.t.Fatal(err)
	}
	if s.config.App.Verifier, err = signer.NewVerifier(append(keys, &insider().PublicKey)...); err != nil {
		s.t.Fatal(err)
	}
}

// signature signs text as RSA2 does.
func signature(key *rsa.PrivateKey, text string) string {
	digest := sha256.Sum256([]byte(text))
	return pkcs1(key, crypto.SHA256, digest[:])
}

func signatureSHA1(key *rsa.PrivateKey, text string) string {
	digest := sha1.Sum([]byte(text))
	return pkcs1(key, crypto.SHA1, digest[:])
}

func signatureSHA512(key *rsa.PrivateKey, text string) string {
	digest := sha512.Sum512([]byte(text))
	return pkcs1(key, crypto.SHA512, digest[:])
}

func signaturePSS(key *rsa.PrivateKey, text string) string {
	digest := sha256.Sum256([]byte(text))
	raw, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], nil)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// signatureTwice signs the digest of a digest.
func signatureTwice(key *rsa.PrivateKey, text string) string {
	digest := sha256.Sum256([]byte(text))
	return signature(key, string(digest[:]))
}

func pkcs1(key *rsa.PrivateKey, hash crypto.Hash, digest []byte) string {
	raw, err := rsa.SignPKCS1v15(nil, key, hash, digest)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}
