package main

// finding is what one check of doctor found; -json prints a list of them. The
// names, the statuses and the codes are stable.
type finding struct {
	Check   string `json:"check"`
	Status  status `json:"status"`
	Code    code   `json:"code"`
	Message string `json:"message"`
	Advice  string `json:"advice"`
}

type status string

const (
	isOK      status = "ok"
	isWarning status = "warning"
	isError   status = "error"
	isSkipped status = "skipped" // it could not be checked, or was not to be
)

// found adds a finding. The message is a sentence without a secret, which may
// repeat what others wrote.
func (d *doctor) found(check string, c code, message string) {
	about := codes[c]
	d.findings = append(d.findings, finding{check, about.status, c, shown(message), about.advice})
}

func (d *doctor) fine(check, message string) { d.found(check, fine, message) }

// advise adds to the advice of the last finding.
func (d *doctor) advise(more string) {
	last := &d.findings[len(d.findings)-1]
	last.Advice += more
}

// maxShown bounds what is shown of a text that anybody may have written.
const maxShown = 512

func shown(text string) string {
	if len(text) > maxShown {
		text = text[:maxShown] + "..."
	}
	return printable(text) // which also mends a character that was cut
}

// code names what was found.
type code string

const (
	fine        code = "ok"
	offline     code = "offline"
	notGiven    code = "not_given"
	notPossible code = "not_possible"

	appIDMalformed     code = "app_id_malformed"
	privateKeyUnusable code = "private_key_unusable"
	alipayKeyUnusable  code = "alipay_key_unusable"
	ownKey             code = "own_key"
	modeMixed          code = "mode_mixed"
	contentKeyUnusable code = "content_key_unusable"

	appCertUnusable    code = "app_certificate_unusable"
	appCertOtherKey    code = "app_certificate_other_key"
	alipayCertUnusable code = "alipay_certificate_unusable"
	certNotValid       code = "certificate_not_valid"
	certEndsSoon       code = "certificate_ends_soon"
	certReplaced       code = "certificate_replaced"

	gatewayHTTP     code = "gateway_http"
	notAGateway     code = "not_a_gateway"
	clockOff        code = "clock_off"
	clockWrong      code = "clock_wrong"
	answerWrong     code = "answer_unverified"
	answerChanged   code = "answer_changed"
	answerUnsigned  code = "answer_unsigned"
	otherKeyUp      code = "other_public_key_uploaded"
	noKeyUp         code = "no_public_key_uploaded"
	appIDUnknown    code = "app_id_unknown"
	certRefused     code = "certificate_refused"
	timeRefused     code = "timestamp_refused"
	contentRefused  code = "encryption_refused"
	contentKeyWrong code = "content_key_wrong"
	noPermission    code = "no_permission"
	busy            code = "alipay_busy"
	otherRefusal    code = "other_refusal"

	hostNotFound code = "host_not_found"
	refused      code = "connection_refused"
	timedOut     code = "timed_out"
	tlsFailed    code = "tls_failed"
	noConnection code = "no_connection"

	notifyMalformed code = "notify_url_malformed"
	notifyUser      code = "notify_url_user"
	notifyQuery     code = "notify_url_query"
	notifyFragment  code = "notify_url_fragment"
	notifyHTTP      code = "notify_url_http"
	notifyPrivate   code = "notify_url_private"
	notifyForged    code = "notify_accepts_forged"
	notifyInexact   code = "notify_success_inexact"
	notifyRedirects code = "notify_redirects"
	notifyLogin     code = "notify_login"
	notifyNoRoute   code = "notify_no_route"
	notifyDown      code = "notify_unavailable"
	notifyFails     code = "notify_fails"
)

// codes says of each code what it amounts to, and what to do.
var codes = map[code]struct {
	status status
	advice string
}{
	fine:        {isOK, ""},
	offline:     {isSkipped, ""},
	notGiven:    {isSkipped, ""},
	notPossible: {isSkipped, ""},

	appIDMalformed:     {isError, "Copy the APPID from Alipay's console."},
	privateKeyUnusable: {isError, "Give the private key that Alipay's key tool made: RSA2, PKCS#1 or PKCS#8."},
	alipayKeyUnusable:  {isError, "Copy Alipay's public key from the console (查看支付宝公钥), the whole line."},
	ownKey:             {isError, "The console shows two public keys, or two certificates. Take Alipay's (支付宝公钥, or alipayCertPublicKey_RSA2.crt), not the application's."},
	modeMixed:          {isError, "An application is in one mode. Give either -alipay-public-key, or all of -app-cert, -alipay-cert and -alipay-root-cert."},
	contentKeyUnusable: {isError, "Copy the AES key from the console (接口内容加密方式), one line of 24 characters."},

	appCertUnusable:    {isError, "Download appCertPublicKey_*.crt from the console again."},
	appCertOtherKey:    {isError, "Give the certificate and the private key of one request (CSR): download appCertPublicKey_*.crt again, or look for the other private key."},
	alipayCertUnusable: {isError, "Download alipayCertPublicKey_RSA2.crt and alipayRootCert.crt again, both from the same console, sandbox or production."},
	certNotValid:       {isError, "Download the current file from the console. If its dates are right, it is this machine's clock."},
	certEndsSoon:       {isWarning, "Renew it in the console, and put the new file into the configuration (docs/keys.md)."},
	certReplaced:       {isWarning, "Download alipayCertPublicKey_RSA2.crt again: Alipay signs by a newer certificate."},

	gatewayHTTP:     {isWarning, "Use https: without it everybody on the way reads the requests."},
	notAGateway:     {isError, "Check -gateway, and whether a proxy or a firewall answered in Alipay's place."},
	clockOff:        {isWarning, "Set this machine's clock by NTP. Interface version 3 refuses requests that are 10 minutes old."},
	clockWrong:      {isError, "Set this machine's clock by NTP. Interface version 3 refuses requests that are 10 minutes old."},
	answerWrong:     {isError, "Take Alipay's public key, or its certificates, from the console of this very app_id and environment. With a captured answer, alirefund explain tells more."},
	answerChanged:   {isError, "Somebody between Alipay and here changes answers. Make them pass untouched; alirefund explain tells more."},
	answerUnsigned:  {isError, "Try again. An answer without a signature proves nothing, whoever wrote it."},
	otherKeyUp:      {isError, "The console holds another application public key than this private key's, or this is another application's private key."},
	noKeyUp:         {isError, "Upload the application's public key, or its certificate request, in the console (接口加签方式)."},
	appIDUnknown:    {isError, "Copy the APPID from the console. The sandbox and production have different ones: check -gateway."},
	certRefused:     {isError, "The console holds other certificates, or is in certificate mode and this configuration is not. Download all three files again (docs/keys.md)."},
	timeRefused:     {isError, "Set this machine's clock by NTP."},
	contentRefused:  {isError, "Give the AES key that the console shows (接口内容加密方式), or none if it shows none."},
	contentKeyWrong: {isError, "Give the AES key that the console shows (接口内容加密方式)."},
	noPermission:    {isWarning, "The keys are right. Sign the product in the console and put the application online; until then refunds of trades are refused as well. An application for red packets alone may do without."},
	busy:            {isWarning, "The keys are right. Try again later."},
	otherRefusal:    {isWarning, "The keys are right. Look the code up in Alipay's documentation."},

	hostNotFound: {isError, "Check the name, and this machine's DNS."},
	refused:      {isError, "Check the address and the port, and whether something listens there."},
	timedOut:     {isError, "Check firewalls and proxies between."},
	tlsFailed:    {isError, "Use a certificate that public authorities vouch for, with its whole chain. If it is Alipay's that fails, look at this machine's clock, root certificates and proxies."},
	noConnection: {isError, "Check the address, and firewalls and proxies between."},

	notifyMalformed: {isError, "Give the form https://host/path, of at most 256 characters."},
	notifyUser:      {isError, "Leave the user and the password out. The signature is what proves that Alipay speaks."},
	notifyQuery:     {isError, "Leave the query out: servers merge it into what Alipay signed. Use a path for each case."},
	notifyFragment:  {isError, "Leave the fragment out: it is never sent."},
	notifyHTTP:      {isWarning, "Use https: notifications name buyers."},
	notifyPrivate:   {isError, "Alipay calls from the internet: give an address that is reachable from there. If only this network resolves the name so, try again from outside."},
	notifyForged:    {isError, "Verify the signature, and answer success only after. Whoever knows the address can tell this route that an order was paid."},
	notifyInexact:   {isError, "Answer exactly success, 7 bytes, and only to what was verified. Alipay takes this answer for a failure, and it was given to what nobody signed."},
	notifyRedirects: {isError, "Give the address that it redirects to: Alipay follows no redirect, so that the notice is lost."},
	notifyLogin:     {isError, "Take the login away from this route: Alipay cannot log in. Mount it outside of the guarded group."},
	notifyNoRoute:   {isError, "Check the path, and that the route takes POST."},
	notifyDown:      {isError, "Start what is behind the address, or look at the proxy before it. Alipay would try again for 25 hours, and then give up."},
	notifyFails:     {isWarning, "Look into the log: a notice that does not verify should be refused by 4xx."},
}
