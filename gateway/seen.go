package gateway

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Seen is what a [Client] last saw of Alipay, by the clock of this process. A zero time
// is never.
type Seen struct {
	Verified   time.Time // an answer's signature was right: the Verifier has Alipay's key
	Unverified time.Time // one was wrong, or missing
	Accepted   time.Time // a signed answer took our signature for right
	Refused    time.Time // Alipay refused it, or does not know the application
	SubCode    string    // by which it did, or said to: such as isv.invalid-signature
	// Ahead is what this process's clock was ahead of the gateway's at Dated, to about
	// a second; negative if it was behind. Nobody signs the gateway's: it is a hint.
	Ahead time.Duration
	Dated time.Time
}

// seen is a Seen that many calls change.
type seen struct {
	mu   sync.Mutex
	last Seen
}

func (s *seen) now() Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// called notes what a call says of the keys. An unsigned refusal of our signature counts,
// too: version 3 signs none.
func (s *seen) called(reply Reply, err error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if reply.Signed {
		s.last.Verified = now
	}
	switch refusal := (*Error)(nil); {
	case errors.As(err, &refusal) && refusesSignature(refusal.SubCode):
		s.last.Refused, s.last.SubCode = now, refusal.SubCode
	case reply.Signed:
		s.last.Accepted = now
	case errors.Is(err, ErrUnverified):
		s.last.Unverified = now
	}
}

// refusesSignature tells whether a sub_code says that the keys, or what they are for, do
// not match. Source: opendocs, "public error codes".
func refusesSignature(subCode string) bool {
	switch short := shortSubCode(subCode); short {
	case "invalid-signature", "missing-signature-key", "missing-signature-config", "invalid-app-id":
		return true
	default:
		return strings.Contains(short, "cert-sn")
	}
}

// dated notes the gateway's time, where an answer to a request of that time tells it: cut
// to the second, and written at some time in between.
func (s *seen) dated(sent time.Time, header http.Header) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last.Dated, s.last.Ahead = now, sent.Add(now.Sub(sent)/2).Sub(date.Add(time.Second/2))
}
