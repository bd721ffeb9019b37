package explain

import (
	"crypto/rsa"
	"crypto/sha256"

	"github.com/alirefund/alirefund/signer"
)

// What one examination may cost.
const (
	maxVerifications = 480
	maxHashed        = 2 << 20 // bytes
)

// judge verifies, as often as it is allowed to.
type judge struct {
	alipay, app *signer.Verifier // either may be nil
	left        int
	bytes       int
	refused     map[trial]bool
}

// trial identifies what was tried before, so that it costs nothing again.
type trial struct {
	text [sha256.Size]byte
	sign string
	app  bool
	sha1 bool
}

func newJudge(k Keys, verifications int) *judge {
	j := &judge{alipay: k.Alipay, left: verifications, bytes: maxHashed, refused: map[trial]bool{}}
	if k.App != nil && k.App.N != nil {
		j.app = verifierOf(k.App)
	}
	return j
}

// verifierOf takes weak keys as well: an application's old one is worth
// recognising.
func verifierOf(key *rsa.PublicKey) *signer.Verifier {
	v, err := signer.NewVerifierAcceptingSHA1AndWeakKeys(key)
	if err != nil {
		return nil
	}
	return v
}

// check tells whether sign is the signature of text, by the application's key or
// by Alipay's, with SHA1 or with SHA256.
func (j *judge) check(text []byte, sign string, app, sha1 bool) bool {
	v := j.alipay
	if app {
		v = j.app
	}
	if v == nil || sign == "" || sha1 && !v.AcceptsSHA1() || j.exhausted() {
		return false
	}
	t := trial{sha256.Sum256(text), sign, app, sha1}
	j.bytes -= len(text)
	if j.refused[t] {
		return false
	}
	j.left--
	verify := v.Verify
	if sha1 {
		verify = v.VerifySHA1
	}
	if verify(text, sign) != nil {
		j.refused[t] = true
		return false
	}
	return true
}

// exhausted tells whether everything was spent.
func (j *judge) exhausted() bool { return j.left <= 0 || j.bytes <= 0 }
