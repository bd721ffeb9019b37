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
// people and cut off by byte counts, or in a charset that nobody names, so a piece
// that is no character becomes U+FFFD; [Notification.Raw] has it as it was. In an
// identifier that decides something it is refused: two different ones could become
// equal.
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
		if decides[p.Key] && strings.ContainsRune(value, utf8.RuneError) {
			return fmt.Errorf("%w: %s has bytes that are no characters", ErrCharset, p.Key)
		}
		if value == p.Value {
			continue
		}
		if n.raw == nil {
			n.raw = map[string]string{}
		}
		n.raw[p.Key], n.params[i].Value = p.Value, value
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

// decides are the fields by which a notification is known, matched with a refund, or
// told to be somebody else's. A buyer's name, such as buyer_logon_id, decides nothing.
var decides = map[string]bool{
	"notify_id": true, "app_id": true, "auth_app_id": true, "seller_id": true, "msg_id": true, "msg_app_id": true, "merchant_app_id": true,
	"out_trade_no": true, "trade_no": true, "out_biz_no": true,
	"auth_no": true, "out_order_no": true, "operation_id": true, "out_request_no": true,
}

func isASCII(text string) bool {
	for _, c := range []byte(text) {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
