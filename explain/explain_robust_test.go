package explain_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/explain"
	"github.com/alirefund/alirefund/internal/vectors"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

func TestGenuineOnesVerify(t *testing.T) {
	t.Parallel()
	message := []signer.Param{
		{Key: "app_id", Value: appID},
		{Key: "charset", Value: "UTF-8"},
		{Key: "version", Value: "1.1"},
		{Key: "msg_method", Value: "alipay.fund.trans.order.changed"},
		{Key: "utc_timestamp", Value: "1603799743231"},
		{Key: "notify_id", Value: "2020102700222193017027581427329881"},
		{Key: "biz_content", Value: `{"status":"SUCCESS"}`},
	}
	request := []signer.Param{
		{Key: "app_id", Value: appID},
		{Key: "charset", Value: "UTF-8"},
		{Key: "version", Value: "1.0"},
		{Key: "format", Value: "JSON"},
		{Key: "method", Value: "alipay.trade.refund"},
		{Key: "timestamp", Value: "2026-01-02 03:04:05"},
		{Key: "biz_content", Value: `{"out_trade_no":"1"}`},
	}
	returned := []signer.Param{
		{Key: "app_id", Value: appID},
		{Key: "charset", Value: "UTF-8"},
		{Key: "method", Value: "alipay.trade.page.pay.return"},
		{Key: "out_trade_no", Value: "1"},
		{Key: "timestamp", Value: "2026-01-02 03:04:05"},
	}
	for name, c := range map[string]struct {
		raw  string
		kind explain.Kind
		told notify.Kind
	}{
		"payment":         {genuine(), explain.KindNotice, notify.KindPayment},
		"V2":              {notice(payment(), alipayKey(), 0), explain.KindNotice, notify.KindPayment},
		"empty value":     {notice(append(payment(), signer.Param{Key: "x", Value: ""}), alipayKey(), signer.WithoutSignType), explain.KindNotice, notify.KindPayment},
		"empty, unsigned": {genuine() + "&x=", explain.KindNotice, notify.KindPayment},
		"message":         {notice(message, alipayKey(), signer.WithoutSignType), explain.KindMessage, notify.KindMessage},
		"request":         {notice(request, appKey(), 0), explain.KindRequest, ""},
		"return_url":      {notice(returned, alipayKey(), signer.WithoutSignType), explain.KindReturnURL, ""},
		"as an address":   {"https://shop.example/back?" + notice(returned, alipayKey(), signer.WithoutSignType) + "#top", explain.KindReturnURL, ""},
		"answer":          {answer(), explain.KindAnswer, ""},
		"answer, blanks":  {answer() + "\r\n", explain.KindAnswer, ""},
		"encrypted":       {encrypted(), explain.KindAnswer, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := expect(t, c.raw, keys(), "")
			if r.Kind != c.kind || c.told != "" && r.Notification != c.told {
				t.Errorf("%q, %q; want %q, %q", r.Kind, r.Notification, c.kind, c.told)
			}
		})
	}
}

// encrypted is an answer whose node is a string.
func encrypted() string {
	const node = `"c2VjcmV0IGFuc3dlciE="`
	return `{"alipay_trade_refund_response":` + node + `,"sign":"` + must(must(signer.New(alipayKey())).Sign([]byte(node))) + `"}`
}

func TestCapturesVerify(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"notify", "response", "request"} {
		for _, v := range vectors.Load(t, kind) {
			t.Run(v.Name, func(t *testing.T) {
				k, want := captureKeys(v), explain.Cause("")
				if v.SignType == "RSA" {
					want = explain.OtherAlgorithm // SHA1: recognised, never accepted
				}
				if kind == "request" {
					k = explain.Keys{App: must(signer.PublicKeysFromPEM(v.Key))[0]}
				}
				expect(t, v.Raw, k, want)
			})
		}
	}
}

func TestWhatTheKeysSay(t *testing.T) {
	t.Parallel()
	const sha1 = "amount=1.00&app_id=" + appID + "&notify_id=1&notify_time=2026-01-02&notify_type=fund"
	weak := sha1 + "&sign_type=RSA&sign=" + strings.NewReplacer("+", "%2B", "=", "%3D").Replace(signSHA1(alipayKey(), []byte(sha1)))
	usual := must(signer.NewVerifier(&alipayKey().PublicKey))
	mine := must(signer.NewVerifier(&appKey().PublicKey))
	app := &appKey().PublicKey
	unsorted := strings.Replace(genuine(), "sign_type=RSA2", "sign_type=SM2", 1)

	for name, c := range map[string]struct {
		raw  string
		keys explain.Keys
		want explain.Cause
	}{
		"another application":           {genuine(), explain.Keys{Alipay: usual, AppID: "2021000000000002"}, explain.WrongApp},
		"no application to compare":     {genuine(), explain.Keys{Alipay: usual}, ""},
		"the app's key as Alipay's":     {genuine(), explain.Keys{Alipay: mine, App: app}, explain.AppKeyUsed},
		"the same, and nothing genuine": {strings.Replace(genuine(), "0.10", "0.11", 1), explain.Keys{Alipay: mine, App: app}, explain.AppKeyUsed},
		"the same, of an answer":        {answer(), explain.Keys{Alipay: mine, App: app}, explain.AppKeyUsed},
		"signed by the app":             {notice(payment(), appKey(), signer.WithoutSignType), keys(), explain.AppKeyUsed},
		"an answer signed by the app":   {answerOf(node, "alipay_trade_refund", appKey()), keys(), explain.AppKeyUsed},
		"the two exchanged":             {genuine(), explain.Keys{Alipay: mine, App: &alipayKey().PublicKey}, explain.AppKeyUsed},
		"SHA1, recognised":              {weak, keys(), explain.OtherAlgorithm},
		"SHA1, by its name":             {weak, explain.Keys{Alipay: usual}, explain.OtherAlgorithm},
		"SHA1 called RSA2":              {strings.Replace(weak, "=RSA&", "=RSA2&", 1), keys(), explain.OtherAlgorithm},
		"SM2":                           {strings.Replace(unsorted, "0.10", "0.11", 1), keys(), explain.OtherAlgorithm},
		"RSA2 called SM2":               {unsorted, keys(), explain.SignTypeChanged},
		"no key":                        {genuine(), explain.Keys{}, explain.Unknown},
		"another key":                   {genuine(), explain.Keys{Alipay: mine}, explain.Unknown},
	} {
		t.Run(name, func(t *testing.T) { expect(t, c.raw, c.keys, c.want) })
	}
}

// What a table of damages cannot say: it depends on what was signed.
func TestWhatWasSigned(t *testing.T) {
	t.Parallel()
	withType := func(form signer.Form, more ...signer.Param) string {
		return notice(append(payment(), more...), alipayKey(), form)
	}
	request := func(form signer.Form) string {
		return notice([]signer.Param{
			{Key: "app_id", Value: appID},
			{Key: "method", Value: "alipay.trade.refund"},
			{Key: "timestamp", Value: "2026-01-02 03:04:05"},
			{Key: "biz_content", Value: `{"a":"/"}`},
		}, appKey(), form)
	}
	for name, c := range map[string]struct {
		raw  string
		want explain.Cause
	}{
		"V1 without sign_type":       {drop("sign_type")(genuine()), explain.MissingSignType},
		"V2 without sign_type":       {drop("sign_type")(withType(0)), explain.SignTypeDropped},
		"a request signed as V1":     {request(signer.WithoutSignType), explain.SignTypeDropped},
		"a request without it":       {drop("sign_type")(request(0)), explain.SignTypeDropped},
		"a request without charset":  {drop("charset")(notice([]signer.Param{{Key: "app_id", Value: appID}, {Key: "charset", Value: "utf-8"}, {Key: "method", Value: "m"}, {Key: "biz_content", Value: "{}"}}, appKey(), 0)), explain.FieldDropped},
		"an empty value":             {drop("voucher_detail_list")(withType(signer.WithoutSignType, signer.Param{Key: "voucher_detail_list"})), explain.EmptyValuesDropped},
		"a null":                     {drop("voucher_detail_list")(withType(signer.WithoutSignType, signer.Param{Key: "voucher_detail_list", Value: "null"})), explain.NullsDropped},
		"a blank at the end":         {values(strings.TrimSpace)(genuine()), explain.ValueTrimmed},
		"a bare semicolon":           {strings.Replace(withType(signer.WithoutSignType, signer.Param{Key: "extra", Value: "a;b"}), "%3B", ";", 1), explain.PartlyDecoded},
		"UTF-8 of GBK":               {values(fromGBK)(notice(gbk(), alipayKey(), signer.WithoutSignType)), explain.OtherCharset},
		"a slash in JSON":            {values(replace(`\/`, "/"))(withType(signer.WithoutSignType, signer.Param{Key: "extra", Value: `{"u":"http:\/\/x"}`})), explain.SlashesUnescaped},
		"order of JSON":              {values(func(v string) string { return strings.Replace(v, `{"b":1,"a":2}`, `{"a":2,"b":1}`, 1) })(withType(signer.WithoutSignType, signer.Param{Key: "extra", Value: `{"b":1,"a":2}`})), explain.Unknown},
		"a certificate, unsigned":    {genuine() + "&alipay_cert_sn=0123", ""},
		"a certificate, signed":      {withType(signer.WithoutSignType, signer.Param{Key: "alipay_cert_sn", Value: "0123"}), ""},
		"an unsigned error":          {`{"error_response":{"code":"40002","msg":"Invalid Arguments","sub_code":"isv.invalid-app-id"}}`, explain.MissingSign},
		"an unsigned node":           {`{"code":"40002","msg":"Invalid Arguments"}`, explain.MissingSign},
		"another JSON":               {`{"hello":"world"}`, explain.Unknown},
		"another form":               {`hello=world&a=b`, explain.Unknown},
		"an amount changed":          {strings.Replace(genuine(), "total_amount=0.10", "total_amount=9.99", 1), explain.Unknown},
		"two signatures":             {strings.Replace(answer(), `{"alipay`, `{"sign":"x","alipay`, 1), explain.NodeTwice},
		"too large":                  {genuine() + strings.Repeat("x", explain.MaxSize), explain.Unknown},
		"an escaped answer, as text": {strings.ReplaceAll(answer(), `"`, `\"`), explain.LogEscaped},
	} {
		t.Run(name, func(t *testing.T) { expect(t, c.raw, keys(), c.want) })
	}
}

func TestNothingIsNamedInGarbage(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	alphabets := []string{"", "0123456789abcdef", "&=%+abc_", `{}[]":,\/ ab0`, "sign_type=RSA2&app_id%20+"}
	for i := range 1000 {
		raw := make([]byte, 1+random.IntN(400))
		alphabet := alphabets[i%len(alphabets)]
		for k := range raw {
			raw[k] = byte(random.Uint32())
			if alphabet != "" {
				raw[k] = alphabet[int(raw[k])%len(alphabet)]
			}
		}
		if r := explain.Explain(raw, keys()); r.Verifies || r.Cause != explain.Unknown && r.Cause != explain.EmptyBody {
			t.Errorf("%q: %q", raw, r.Cause)
		}
	}
}

// One changed byte is no known cause, wherever it is; and in what is not signed
// it does no harm.
func TestNothingIsNamedForAChangedByte(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for _, raw := range []string{genuine(), answer()} {
		causes := map[explain.Cause]int{}
		for i := range 200 {
			changed := []byte(raw)
			at := random.IntN(len(raw))
			changed[at] ^= byte(1 + random.IntN(255))
			if i%2 == 0 {
				changed = []byte(raw)
				changed[at] ^= 1 << random.IntN(8)
			}
			r := explain.Explain(changed, keys())
			if (r.Cause == explain.PlusAsSpace || r.Cause == explain.SignDamaged) && strings.IndexByte("+/2BF", raw[at]) >= 0 {
				continue // by chance the very byte of that cause
			}
			if r.Cause != "" && r.Cause != explain.Unknown {
				t.Errorf("byte %d, %q for %q: %q", at, changed[at], raw[at], r.Cause)
			}
			causes[r.Cause]++
		}
		t.Log(causes)
	}
}

func TestPersonsAndTokensAreMasked(t *testing.T) {
	t.Parallel()
	params := append(payment(),
		signer.Param{Key: "buyer_open_id", Value: "083luGU2ef8"}, signer.Param{Key: "app_auth_token", Value: "202001BBtoken"},
		signer.Param{Key: "extra", Value: `{"userName":"王小明","list":[{"mobile":"13812345678","fee": 1}],"buyer":{"x":"secret","n":7},"text":"{\"payer_user_id\":\"2088102146225135\"}"}`},
	)
	params[4].Value = "call 13912345678 or 2088102146225135 or jane@example.com"
	raw := notice(params, alipayKey(), signer.WithoutSignType)
	for name, r := range map[string]explain.Report{
		"verified": expect(t, raw, keys(), ""),
		"repaired": expect(t, raw+"&utm_source=1&token=2", keys(), explain.QueryMerged),
		"unknown":  expect(t, strings.Replace(raw, "=0.10", "=0.11", 1), keys(), explain.Unknown),
		"answer":   expect(t, answer(), keys(), ""),
	} {
		for _, secret := range []string{
			"2088102146225135", "138****5678", "13912345678", "jane@", "083luGU2ef8", "BBtoken", "王小明", "13812345678\"", "secret", "oABCDE", "abc***@", "seller@", "店",
		} {
			if strings.Contains(r.Signed, secret) || strings.Contains(r.Hint, secret) {
				t.Errorf("%s: %q is shown: %s", name, secret, r.Signed)
			}
		}
		if name != "answer" && (!strings.Contains(r.Signed, "out_trade_no=order-13812345678&") || !strings.Contains(r.Signed, `,"fee": 1}`) || !strings.Contains(r.Signed, "seller_id=2088000000000001")) {
			t.Errorf("%s: too much is masked: %s", name, r.Signed)
		}
	}
}

func FuzzExplain(f *testing.F) {
	f.Add([]byte(genuine()))
	f.Add([]byte(answer()))
	for _, c := range ofForms {
		f.Add([]byte(c.do(genuine())))
	}
	for _, c := range ofAnswers {
		f.Add([]byte(c.do(answer())))
	}
	k := keys()
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := explain.ExplainWith(raw, k, 16)
		if r.Verifies != (r.Cause == "") || !r.Verifies && r.Hint == "" {
			t.Errorf("%+v", r)
		}
		if r.Kind == explain.KindAnswer && r.Signed != "" && !json.Valid([]byte(r.Signed)) {
			t.Errorf("masking broke the node: %s", r.Signed)
		}
		if r.Verifies && r.Kind == explain.KindNotice {
			_, err := notify.Open(raw, k.Alipay)
			for _, refusal := range []error{notify.ErrMalformed, notify.ErrDuplicateKey, notify.ErrSignType, notify.ErrNoSignature, notify.ErrSignature} {
				if errors.Is(err, refusal) && !bytes.Contains(raw, []byte("alipay_cert_sn")) {
					t.Errorf("verifies, but the module says: %v", err)
				}
			}
		}
	})
}

func BenchmarkExplain(b *testing.B) {
	field := "&app_id" + strings.Repeat("%2B", 100)
	for name, raw := range map[string]string{
		"genuine": genuine(),
		"unknown": strings.Replace(genuine(), "=0.10", "=0.11", 1),
		"hostile": strings.Replace(genuine(), "=0.10", "=0.11", 1) + "&extra=" + strings.Repeat("+%7B%22%5C%26amp%3B", 3000) + field,
	} {
		b.Run(name, func(b *testing.B) {
			k := keys()
			for b.Loop() {
				explain.Explain([]byte(raw), k)
			}
		})
	}
}

func ExampleExplain() {
	k := explain.Keys{Alipay: must(signer.NewVerifier(&alipayKey().PublicKey)), AppID: appID}
	body := "from=wechat&" + genuine() // as r.Form has it

	r := explain.Explain([]byte(body), k)
	fmt.Println(r.Verifies, r.Kind, r.Notification, r.Cause)
	// Output: false notice payment query_merged
}
