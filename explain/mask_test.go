package explain_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/signer"
)

// Persons are masked where they stand in a text that is no clean JSON, too: encoded,
// escaped, damaged, or several in a row.
func TestPersonsAreMaskedInWhatIsDamaged(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]signer.Param{
		"two phones":         {Key: "body", Value: "13812345678,13912345678"},
		"three accounts":     {Key: "body", Value: "2088102146225135 2088102146225136 2088102146225137"},
		"with the country":   {Key: "body", Value: "+8613812345678"},
		"encoded mail":       {Key: "passback_params", Value: "mail%3Dsecret%40example.com"},
		"encoded field":      {Key: "passback_params", Value: "buyer_name%3Dsecret"},
		"encoded JSON":       {Key: "passback_params", Value: "%7B%22buyer_name%22%3A%22secret%22%7D"},
		"encoded often":      {Key: "passback_params", Value: "buyer_name%252525253Dsecret"},
		"JSON that is cut":   {Key: "biz_content", Value: `{"buyer_name":"secret one","x":`},
		"HTML of JSON":       {Key: "biz_content", Value: `{&quot;buyer_name&quot;:&quot;secret one&quot;}`},
		"escaped JSON":       {Key: "biz_content", Value: `{\"buyer_name\":\"secret one\"}`},
		"JSON behind a mark": {Key: "biz_content", Value: "\ufeff{\"buyer_name\":\"secret one\"}"},
		"JSON in quotes":     {Key: "biz_content", Value: `"{\"buyer_name\":\"secret\"}"`},
		"a token in a text":  {Key: "body", Value: "app_auth_token: secret"},
		"a bank card":        {Key: "bank_card_no", Value: "6222021234567890123"},
	} {
		params := slices.DeleteFunc(payment(), func(own signer.Param) bool { return own.Key == p.Key || own.Key == "out_trade_no" })
		raw := notice(append(params, p), alipayKey(), signer.WithoutSignType)
		signed := expect(t, raw, keys(), "").Signed
		for _, secret := range []string{"secret", " one", "13812345678", "13912345678", "208810214622513", "6222021"} {
			if strings.Contains(signed, secret) {
				t.Errorf("%s: %q is shown: %s", name, secret, signed)
			}
		}
	}
}
