package notify

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// transcode turns the values into UTF-8. It runs after verification, because
// what is signed are the bytes of the notice's own charset. Texts are written by
// people and cut off by byte counts, so a piece that is no character becomes
// U+FFFD. In an identifier that is refused: two different ones could become equal.
func (n *Notification) transcode() error {
	decoder, err := decoderOf(n.Get("charset"))
	if err != nil {
		return err
	}
	for i, p := range n.params {
		value := p.Value
		switch {
		case isASCII(value):
			continue
		case decoder != nil:
			if value, err = decoder.String(value); err != nil {
				return fmt.Errorf("%w: %s: %w", ErrCharset, p.Key, err)
			}
		default:
			value = strings.ToValidUTF8(value, string(utf8.RuneError))
		}
		if isIdentifier(p.Key) && strings.ContainsRune(value, utf8.RuneError) {
			return fmt.Errorf("%w: %s has bytes that are no characters", ErrCharset, p.Key)
		}
		n.params[i].Value = value
	}
	return nil
}

// decoderOf returns nil for UTF-8, which is also what a notice without a charset
// is in. The names are those that Alipay's pages and captured notices have.
// GB18030 contains the other two.
func decoderOf(charset string) (*encoding.Decoder, error) {
	for _, name := range [...]string{"", "utf-8", "utf8"} {
		if strings.EqualFold(charset, name) {
			return nil, nil
		}
	}
	for _, name := range [...]string{"gbk", "gb2312", "gb18030"} {
		if strings.EqualFold(charset, name) {
			return simplifiedchinese.GB18030.NewDecoder(), nil
		}
	}
	return nil, fmt.Errorf("%w: it is neither UTF-8 nor GBK", ErrCharset)
}

// isIdentifier tells whether a field holds an identifier: Alipay's names of such
// fields end alike (out_trade_no, app_id).
func isIdentifier(key string) bool {
	return strings.HasSuffix(key, "_no") || strings.HasSuffix(key, "_id")
}

func isASCII(text string) bool {
	for _, c := range []byte(text) {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
