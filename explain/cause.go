package explain

import "slices"

// Cause is a stable code for one reason why a capture does not verify. Each has
// a page in docs/errors.
type Cause string

// The causes. Those of the first group are proven by the signature: it matches
// once they are undone.
const (
	PlusAsSpace        Cause = "plus_as_space"        // a + was read as a blank
	PlusKept           Cause = "plus_kept"            // a + that stands for a blank was kept
	EncodedTwice       Cause = "encoded_twice"        // percent-encoded once too often
	DecodedTwice       Cause = "decoded_twice"        // percent-decoded once too often
	PartlyDecoded      Cause = "partly_decoded"       // some escapes were decoded, others not
	QueryMerged        Cause = "query_merged"         // fields of the URL's query stand among the body's
	FieldAdded         Cause = "field_added"          // a field that was not signed
	FieldDropped       Cause = "field_dropped"        // a field that was signed is gone
	EmptyValuesDropped Cause = "empty_values_dropped" // a signed field without a value is gone
	NullsDropped       Cause = "nulls_dropped"        // signed fields of the value null are gone
	DuplicateKey       Cause = "duplicate_key"        // a key is given twice
	KeysRenamed        Cause = "keys_renamed"         // keys in other letter case or in camelCase
	SignTypeDropped    Cause = "sign_type_dropped"    // signed with sign_type, or should have been, and it is gone
	SignTypeChanged    Cause = "sign_type_changed"    // RSA2 by its signature, something else by its sign_type
	SignDamaged        Cause = "sign_damaged"         // the signature's base64 was changed
	OtherCharset       Cause = "other_charset"        // transcoded before verification
	HTMLEscaped        Cause = "html_escaped"         // HTML entities took the place of characters
	LogEscaped         Cause = "log_escaped"          // escaped as a string of JSON or of a program
	BackslashesAdded   Cause = "backslashes_added"    // a backslash before each quote
	CharactersReplaced Cause = "characters_replaced"  // < > ' " and the like became look-alikes
	NewlinesChanged    Cause = "newlines_changed"     // CRLF and LF were exchanged
	ValueTrimmed       Cause = "value_trimmed"        // blanks at a value's end are gone
	ValuesReformatted  Cause = "values_reformatted"   // amounts or times were parsed and written anew
	Whitespace         Cause = "whitespace"           // blanks or line breaks around or in the body
	BOM                Cause = "bom"                  // a byte order mark before the body
	Base64Body         Cause = "base64_body"          // the whole body in base64
	Compressed         Cause = "compressed"           // the whole body in gzip
	Multipart          Cause = "multipart"            // multipart/form-data instead of a form
	ConvertedToJSON    Cause = "converted_to_json"    // the fields of a form as a JSON object
	SlashesUnescaped   Cause = "slashes_unescaped"    // \/ became /
	SlashesEscaped     Cause = "slashes_escaped"      // / became \/
	Reserialised       Cause = "reserialised"         // JSON was parsed and written anew
	Unwrapped          Cause = "unwrapped"            // the signature stands inside what it signs
	AppKeyUsed         Cause = "app_key_used"         // the application's key where Alipay's belongs
	WrongApp           Cause = "wrong_app"            // it verifies, and is for another application
)

// Causes that are plain to see.
const (
	Truncated       Cause = "truncated"         // the end is missing
	MissingSign     Cause = "missing_sign"      // there is no signature
	MissingSignType Cause = "missing_sign_type" // there is no sign_type
	OtherAlgorithm  Cause = "other_algorithm"   // not RSA2 but SHA1 (sign_type=RSA), SM2 or another
	NodeTwice       Cause = "node_twice"        // an answer with two response nodes or signatures
	ErrorPage       Cause = "error_page"        // HTML instead of an answer
	EmptyBody       Cause = "empty_body"        // nothing at all
)

// Unknown: none of the causes above could be shown.
const Unknown Cause = "unknown"

// Causes returns every code, Unknown last.
func Causes() []Cause {
	causes := make([]Cause, 0, len(hints))
	for c := range hints {
		if c != Unknown {
			causes = append(causes, c)
		}
	}
	slices.Sort(causes)
	return append(causes, Unknown)
}

func (c Cause) hint() string { return hints[c] }

// hints say what happened and what to do, in one or two sentences.
var hints = map[Cause]string{
	PlusAsSpace:        "A + was read as a blank: the body was decoded once more, or written anew without encoding + as %2B. Verify over the body as it came.",
	PlusKept:           "A + that stands for a blank was kept, as decoders of URL paths do (decodeURIComponent, url.PathUnescape). Decode it as a form.",
	EncodedTwice:       "It was percent-encoded twice. Whoever passed it on encoded what was encoded already; pass the body on untouched.",
	DecodedTwice:       "It was decoded before, so that decoding it as a form damages it. Decode exactly once.",
	PartlyDecoded:      "Some characters that Alipay encodes stand bare: a proxy normalised the body. Make it pass the body on untouched.",
	QueryMerged:        "Fields that were not signed stand among the body's; they look like those of the URL's query (r.Form, $_REQUEST). Verify the POST body alone (r.PostForm), and give notify_url no query.",
	FieldAdded:         "A field that was not signed was added. Verify the body as it came.",
	FieldDropped:       "A field that was signed is gone. Verify every field that came, unknown ones included.",
	EmptyValuesDropped: "A field without a value was signed and is gone. Keep empty fields in the text.",
	NullsDropped:       "Fields with the literal value null were signed and are gone. null is text there: keep it.",
	DuplicateKey:       "A key is given twice, so that two readers could disagree. Alipay never does that; look for whoever merged two lists of fields.",
	KeysRenamed:        "The keys were renamed: other letter case, or camelCase. The names are signed as Alipay writes them.",
	SignTypeDropped:    "sign_type belongs to the signed text here, and is missing. Requests and the service market's notices are signed with it.",
	SignTypeChanged:    "It is signed with RSA2, and sign_type says otherwise. Somebody on the way changed the field, or a tool wrote a wrong one.",
	SignDamaged:        "Only the signature's base64 was changed: another alphabet, lost padding, line breaks, or escapes that were not decoded.",
	OtherCharset:       "It was transcoded before verification. The bytes of the charset that the field charset names are signed: verify first, transcode after.",
	HTMLEscaped:        "HTML entities stand where characters were (&amp;, &quot;, or a ¬ify from &notify). An escaping filter, or a copy from a page, did that.",
	LogEscaped:         "It is escaped as a string literal (\\u0026, \\\"): a copy from a log of JSON, or JSON within JSON. Unescape it once.",
	BackslashesAdded:   "A backslash stands before quotes: addslashes, magic quotes or a filter. Remove that from this route.",
	CharactersReplaced: "Characters such as < > ' \" were replaced by look-alikes: a filter against script injection. Exempt this route from it.",
	NewlinesChanged:    "Line breaks within a value were changed between CRLF and LF.",
	ValueTrimmed:       "Blanks at the beginning or the end of a value are gone. Trim after verification.",
	ValuesReformatted:  "Amounts or times were parsed and written in another form (0.6 for 0.60). Verify the texts as they came.",
	Whitespace:         "There are blanks or line breaks before, behind or in the body that did not come from Alipay.",
	BOM:                "A byte order mark stands before the body; an editor or a converter put it there.",
	Base64Body:         "The whole body is in base64, as API gateways and functions hand it on. Decode that first.",
	Compressed:         "The whole body is compressed with gzip. Decompress it first.",
	Multipart:          "It is multipart/form-data; Alipay posts application/x-www-form-urlencoded. Whoever passed it on wrote it anew.",
	ConvertedToJSON:    "The form's fields were written as a JSON object. They are whole, but the body is not what came: verify that.",
	SlashesUnescaped:   "The answer's node had \\/ where / stands now: it was parsed and written anew. Verify the node's own bytes.",
	SlashesEscaped:     "The answer's node had / where \\/ stands now: it was parsed and written anew. Verify the node's own bytes.",
	Reserialised:       "JSON was parsed and written anew, with other blanks, another order, or other escapes or numbers. Verify the bytes as they came.",
	Unwrapped:          "The signature stands inside the node that it signs, as SDKs return answers. The node without it is what was signed.",
	AppKeyUsed:         "The application's own key is in play where Alipay's belongs. Take Alipay's public key from the console (查看支付宝公钥), not the one that was uploaded there.",
	WrongApp:           "The signature is Alipay's, and app_id names another application. One key may sign for several.",
	Truncated:          "It is cut off: the end is missing. Look at body limits, and at the length of the column or log line that it was kept in.",
	MissingSign:        "There is no sign. Unsigned answers are errors that prove nothing (read their sub_code); an unsigned notice is not Alipay's, or lost the field.",
	MissingSignType:    "There is no sign_type. Alipay sends it with every notice.",
	OtherAlgorithm:     "It is not signed with RSA2.",
	NodeTwice:          "The answer holds its response node or its signature twice, so that decoders disagree on which one counts. That is not Alipay's doing.",
	ErrorPage:          "This is a page of HTML, from a proxy, a login or an error, and no answer of the gateway's.",
	EmptyBody:          "It is empty. A handler before this one has read the body, or the parameters stand in the URL.",
	Unknown:            "No known cause could be shown.",
}
