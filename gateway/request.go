package gateway

import "time"

// china is the zone of every timestamp of Alipay's, whatever this machine's is.
var china = time.FixedZone("UTC+8", 8*60*60)

// encode signs one request. By Alipay's rules biz_content stands in the form,
// everything else in the URL's query; charset must be there, otherwise the
// gateway reads the form as GBK. No parameter is ever sent empty. With a content
// key biz_content is encrypted first, and then signed.
func (c *Client) encode(method string, content []byte, o Options, now time.Time) (query, form string, err error) {
	// Buffers for a usual request, on the stack: a longer one moves to the heap.
	var text, escaped, body [1024]byte
	var stamp [len(time.DateTime)]byte
	r := request{text: text[:0], query: escaped[:0], form: body[:0]}
	own := c.signer.Current() // so that the certificate that is named is the one that signs
	var encryption string
	// A certificate's download is public, and its answer read before it can be
	// verified; so it is asked for in the open, as Alipay's SDK does.
	if c.contentKey != nil && len(content) > 0 && method != methodCertificate {
		content, encryption = []byte(c.contentKey.Encrypt(content)), "AES"
	}

	// In the byte order of the names, which is the order of the signed text.
	r = r.with("alipay_root_cert_sn", c.verifier.RootSN())
	r = r.with("app_auth_token", o.AppAuthToken)
	r = r.with("app_cert_sn", own.CertificateSN())
	r = r.with("app_id", c.appID)
	r = r.withContent(content)
	r = r.with("charset", "utf-8")
	r = r.with("encrypt_type", encryption)
	r = r.with("format", "JSON")
	r = r.with("method", method)
	r = r.with("notify_url", o.NotifyURL)
	r = r.with("sign_type", "RSA2")
	r = r.with("timestamp", string(now.In(china).AppendFormat(stamp[:0], time.DateTime)))
	r = r.with("version", "1.0")

	sign, err := own.Sign(r.text)
	if err != nil {
		return "", "", err
	}
	r.query = appendParam(r.query, "sign", sign, true)

	whole := string(append(r.query, r.form...))
	return whole[:len(r.query)], whole[len(r.query):], nil
}

// request is one being written: the text that is signed, and what is sent.
type request struct{ text, query, form []byte }

func (r request) with(key, value string) request {
	if value != "" {
		r.text = appendParam(r.text, key, value, false)
		r.query = appendParam(r.query, key, value, true)
	}
	return r
}

func (r request) withContent(value []byte) request {
	if len(value) > 0 {
		r.text = appendParam(r.text, "biz_content", value, false)
		r.form = appendParam(r.form, "biz_content", value, true)
	}
	return r
}

func appendParam[T string | []byte](dst []byte, key string, value T, escape bool) []byte {
	if len(dst) > 0 {
		dst = append(dst, '&')
	}
	dst = append(append(dst, key...), '=')
	if escape {
		return appendEscaped(dst, value)
	}
	return append(dst, value...)
}

// appendEscaped is url.QueryEscape into a buffer.
func appendEscaped[T string | []byte](dst []byte, text T) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '~':
			dst = append(dst, c)
		case c == ' ':
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
