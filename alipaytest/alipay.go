package alipaytest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/signer"
)

// Config says how the fake is set up. Its zero value is complete: one
// application whose key pair the fake makes itself.
type Config struct {
	// AppID is the one application that the fake knows. Default: 2021000000000001.
	AppID string
	// SellerID is the merchant of all trades. Default: 2088000000000001.
	SellerID string
	// AppPublicKey verifies the application's requests, in any form that
	// [signer.PublicKeysFromPEM] reads. If it is empty the fake makes a pair, and
	// the application signs with [Alipay.AppPrivateKey].
	AppPublicKey string
	// AppGatewayURL is the application's gateway, to which messages go: of
	// [Alipay.DepositBack], and of red packets of the newer product. Empty means
	// that the application has none, and none are sent.
	AppGatewayURL string
	// Now is the clock that the application lives by. Default: [time.Now], which
	// is the bubble's inside a testing/synctest bubble.
	Now func() time.Time
	// Client posts the notices; redirects are never followed. Default: a
	// transport of its own with a timeout of 10 s.
	Client *http.Client
	// Certificates makes it an application in certificate mode: requests must name
	// certificates, and answers do. See [Alipay.AppCertificate].
	Certificates bool
	// ContentKey, 16 bytes in base64, encrypts the content: requests must come with
	// encrypt_type=AES, and are answered so, errors excepted. Empty means that
	// nothing is encrypted. The fake panics if it is no key.
	ContentKey string
}

// noticeTimeout is how long the fake waits for the answer to a notice.
const noticeTimeout = 10 * time.Second

// Alipay is the fake: gateway, books and notices. Make it with [New]. It is safe
// for concurrent use.
type Alipay struct {
	appID, sellerID string
	appGateway      string
	appPrivateKey   string
	publicKey       string
	sign            *signer.Signer     // Alipay's own key, and in certificate mode its certificate
	certificates    bool               // certificate mode
	content         *signer.ContentKey // nil: nothing is encrypted
	now             func() time.Time
	client          *http.Client // posts notices over the network
	digits          string       // random, so that two fakes make different numbers

	advancing sync.Mutex // held by the one Advance that moves the clock

	mu          sync.Mutex // guards all below; never held while anything is sent
	offset      time.Duration
	sequence    int
	issued      []certificate // Alipay's own, the current one last
	appKeys     []appKey      // those that are accepted, the current one last
	refuse      bool
	host        *http.Client // posts notices in memory, if the host gave its handler
	trades      []*trade
	byOrder     map[string]*trade // by out_trade_no
	byTrade     map[string]*trade // by trade_no
	balance     *money.Amount     // what the seller can refund from; nil: enough
	packets     map[string]*packet
	preAuths    map[string]*preAuth
	operations  map[string]*operation // red packets' operations by out_request_no
	nextExpiry  time.Time             // of red packets; zero: none will expire
	faults      faults
	late        []*request // executed after the next call
	underway    []arrival  // executed when they arrive
	movements   []Movement
	billFaults  []BillFault
	bills       map[string]issuedBill // the addresses that were given out, by their number
	calls       []*Call
	nonces      map[string]bool // of the requests by version 3
	notices     []*notice
	outstanding []*notice // neither acknowledged nor given up
	wake        []chan struct{}
}

// New returns a fake Alipay with no trades. It panics if c holds no usable key,
// for nothing can be tested then.
func New(c Config) *Alipay {
	a := &Alipay{
		appID:      orElse(c.AppID, "2021000000000001"),
		sellerID:   orElse(c.SellerID, "2088000000000001"),
		appGateway: c.AppGatewayURL,
		now:        c.Now,
		digits:     randomDigits(8),
		byOrder:    map[string]*trade{},
		byTrade:    map[string]*trade{},
		packets:    map[string]*packet{},
		preAuths:   map[string]*preAuth{},
		operations: map[string]*operation{},
		nonces:     map[string]bool{},
	}
	if a.now == nil {
		a.now = time.Now
	}
	a.client = noRedirects(c.Client)

	platform := platformKey()
	a.sign = must(signer.New(platform))
	a.publicKey = base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(&platform.PublicKey)))
	if a.certificates = c.Certificates; a.certificates {
		a.certify(platform)
	}
	if c.ContentKey != "" {
		a.content = must(signer.ContentKeyFromBase64(c.ContentKey))
	}
	if c.AppPublicKey != "" {
		a.SetAppPublicKey(c.AppPublicKey)
		return a
	}
	app := applicationKey()
	a.acceptApp(&app.PublicKey)
	a.appPrivateKey = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(app))}))
	return a
}

// AppID returns the application's number.
func (a *Alipay) AppID() string { return a.appID }

// SellerID returns the merchant's number, which notices name as seller_id.
func (a *Alipay) SellerID() string { return a.sellerID }

// AppPrivateKey returns the key that the application signs with, as PEM; empty
// if [Config] brought the application's public key.
func (a *Alipay) AppPrivateKey() string { return a.appPrivateKey }

// AlipayPublicKey returns the key that verifies answers and notices, one bare
// line of base64 as Alipay's console shows it.
func (a *Alipay) AlipayPublicKey() string { return a.publicKey }

// The keys are made once per process: a pair costs a good part of a second.
var (
	platformKey    = sync.OnceValue(generate)
	applicationKey = sync.OnceValue(generate)
)

func generate() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("alipaytest: %v", err))
	}
	return value
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func randomDigits(n int64) string {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil)
	return fmt.Sprintf("%0*d", n, must(rand.Int(rand.Reader, limit)))
}

// china is the zone of every timestamp of Alipay's.
var china = time.FixedZone("UTC+8", 8*60*60)

const layout = "2006-01-02 15:04:05"

func stamp(t time.Time) string { return t.In(china).Format(layout) }

// clock returns the fake's time. a.mu is held.
func (a *Alipay) clock() time.Time { return a.now().Add(a.offset) }

// number returns a new number of the given length, beginning with the day and
// the given digits as Alipay's do. a.mu is held.
func (a *Alipay) number(now time.Time, kind string, length int) string {
	a.sequence++
	head := now.In(china).Format("20060102") + kind + a.digits
	return fmt.Sprintf("%s%0*d", head, length-len(head), a.sequence)
}
