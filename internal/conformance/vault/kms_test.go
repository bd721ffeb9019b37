package vault_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// KMS is what is wanted of a cloud's client: the signature of a SHA-256 digest by
// RSASSA-PKCS1-v1_5 (RSA_SIGN_PKCS1_2048_SHA256 and the like).
type KMS interface {
	Sign(ctx context.Context, digest []byte) ([]byte, error)
}

// kmsKey is a key in a KMS. Its public half is fetched once, at the start.
type kmsKey struct {
	client KMS
	public *rsa.PublicKey
}

func (k kmsKey) Public() crypto.PublicKey { return k.public }

func (k kmsKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts != crypto.SHA256 { // what the module asks for
		return nil, errors.New("kms: only SHA-256 with PKCS#1 v1.5")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return k.client.Sign(ctx, digest)
}

// fakeKMS is a cloud's.
type fakeKMS struct {
	key  *rsa.PrivateKey
	down error
}

func (f *fakeKMS) Sign(ctx context.Context, digest []byte) ([]byte, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return nil, errors.New("the call may take for ever")
	}
	if f.down != nil {
		return nil, f.down
	}
	return rsa.SignPKCS1v15(nil, f.key, crypto.SHA256, digest)
}

func newKMS(t *testing.T) (*fakeKMS, *signer.Signer) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	client, public := &fakeKMS{key: key}, &key.PublicKey
	sign, err := signer.New(kmsKey{client, public})
	if err != nil {
		t.Fatal(err)
	}
	return client, sign
}

func TestRefundSignedByAKMS(t *testing.T) {
	_, sign := newKMS(t)
	open(t, sign, false).refund(t, 20)
	open(t, sign, true).refund(t, 20)
}

// Without its KMS a refund is not sent, is not failed, and may be repeated.
func TestAKMSThatIsDownSendsNothing(t *testing.T) {
	kms, sign := newKMS(t)
	s := open(t, sign, false)
	s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order", Total: 1_00})
	request := alirefund.RefundRequest{OutTradeNo: "order", RefundAmount: 1_00}

	kms.down = errors.New("the KMS is down")
	if _, err := s.Refund(t.Context(), request); !errors.Is(err, alirefund.ErrNothingSent) || len(s.alipay.Calls()) != 0 {
		t.Errorf("without the KMS: %v, and %d calls; want ErrNothingSent and none", err, len(s.alipay.Calls()))
	}
	kms.down = nil
	result, err := s.Refund(t.Context(), request)
	if err != nil || result.Refund.State != store.Succeeded || len(s.alipay.Movements()) != 1 {
		t.Errorf("with it again: %s, %v", result.Refund.State, err)
	}
}
