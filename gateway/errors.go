package gateway

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What can become of a call. See [Client.Do].
var (
	ErrNotSent    = errors.New("nothing was sent")
	ErrNoAnswer   = errors.New("no usable answer came; the request may have been carried out")
	ErrUnverified = errors.New("the answer's signature is missing or wrong; it proves nothing")
)

// Error is Alipay's refusal of a call, or what an unsigned answer claims to be
// one. If it is not Signed it wraps [ErrUnverified].
type Error struct {
	Method  string
	Code    string // such as 40004
	Msg     string
	SubCode string // such as ACQ.TRADE_NOT_EXIST
	SubMsg  string
	TraceID string // what Alipay's support asks for
	Signed  bool
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("gateway: " + e.Method + ": " + e.Code)
	for _, word := range []string{e.SubCode, e.Msg, e.SubMsg} {
		if word != "" {
			b.WriteString(" " + word)
		}
	}
	if e.TraceID != "" {
		b.WriteString(" (trace " + e.TraceID + ")")
	}
	if !e.Signed {
		b.WriteString(": " + ErrUnverified.Error())
	}
	return b.String()
}

// Unwrap returns [ErrUnverified] unless the refusal was signed.
func (e *Error) Unwrap() error {
	if e.Signed {
		return nil
	}
	return ErrUnverified
}

// withoutEcho cuts a message where it begins to quote the request: the answer to
// a wrong signature (isv.invalid-signature; seen in signed captures) repeats the
// whole signed text, token and biz_content included.
func withoutEcho(message string) string {
	for _, name := range []string{"app_auth_token=", "app_id=", "biz_content="} {
		if before, _, found := strings.Cut(message, name); found {
			message = before + "…"
		}
	}
	return message
}

// maxShown bounds what is shown of a text that anybody may have written.
const maxShown = 256

// printable makes a text of the gateway's fit to be shown and logged: UTF-8, one
// line, of bounded length.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	for len(text) > maxShown {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}
