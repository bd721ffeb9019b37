package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

const doctorHelp = `alirefund doctor -app-id ID -app-private-key FILE -alipay-public-key FILE [flags]
alirefund doctor -app-id ID -app-private-key FILE -app-cert FILE -alipay-cert FILE -alipay-root-cert FILE [flags]
alirefund doctor -notify-url URL

Checks a configuration: the keys and certificates, this machine's clock, the
notify_url, and one signed query of a trade that does not exist. Nothing is
changed at Alipay. The notify_url is sent what Alipay never would: nothing,
garbage, and the closing of an order that does not exist, not signed or signed
by nobody's key. It must not acknowledge them.

Key files hold PEM or one bare line of base64. No secret is printed. The codes
are explained in docs/doctor.md.

Exit codes: 0 no error was found, though there may be warnings; 1 an error was
found; 2 wrong flags, or a file that cannot be read.

`

// Exit codes of doctor.
const (
	exitHealthy = 0
	exitIll     = 1
)

// outside is how doctor reaches the network; tests stand in for it.
type outside struct {
	lookup    func(ctx context.Context, network, host string) ([]netip.Addr, error)
	transport http.RoundTripper
}

// doctor is one examination.
type doctor struct {
	outside
	appID, privateKey, alipayKey   string // the files' texts from here on; "" if none was given
	appCert, alipayCert, rootCerts string
	contentKey                     string
	gateway, notifyURL             string
	offline                        bool

	findings []finding
	alipaySN string // of Alipay's certificate, if it could be used
}

func (o outside) doctor(ctx context.Context, args []string, std streams) (int, error) {
	d := doctor{outside: o}
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.StringVar(&d.appID, "app-id", "", "the application's app_id, `ID`")
	files := []struct {
		text       *string
		name, help string
		file       *string
	}{
		{text: &d.privateKey, name: "app-private-key", help: "`FILE` with the application's private key"},
		{text: &d.alipayKey, name: "alipay-public-key", help: "key mode: `FILE` with Alipay's public key"},
		{text: &d.appCert, name: "app-cert", help: "certificate mode: `FILE` appCertPublicKey_*.crt"},
		{text: &d.alipayCert, name: "alipay-cert", help: "certificate mode: `FILE` alipayCertPublicKey_RSA2.crt"},
		{text: &d.rootCerts, name: "alipay-root-cert", help: "certificate mode: `FILE` alipayRootCert.crt"},
		{text: &d.contentKey, name: "content-key", help: "`FILE` with the AES key, if content is encrypted"},
	}
	for i := range files {
		files[i].file = flags.String(files[i].name, "", files[i].help)
	}
	flags.StringVar(&d.gateway, "gateway", gateway.Production, "`URL` of Alipay's gateway; the sandbox's is "+gateway.Sandbox)
	flags.StringVar(&d.notifyURL, "notify-url", "", "`URL` that notifications go to")
	flags.BoolVar(&d.offline, "offline", false, "make no call at all")
	asJSON := flags.Bool("json", false, "print a JSON list of objects: check, status, code, message, advice")
	if err := parse(flags, args, doctorHelp, std); err != nil {
		return 0, err
	}
	for _, f := range files {
		if *f.file == "" {
			continue
		}
		text, err := os.ReadFile(*f.file)
		if err != nil {
			return 0, err
		}
		if *f.text = string(text); strings.TrimSpace(*f.text) == "" {
			return 0, fmt.Errorf("%s: it is empty", *f.file)
		}
	}
	if err := d.usage(flags); err != nil {
		return 0, err
	}
	d.examine(ctx)
	return d.report(*asJSON, std.out)
}

// usage says what the flags lack for an examination.
func (d *doctor) usage(flags *flag.FlagSet) error {
	withKeys := d.appID+d.privateKey+d.alipayKey+d.appCert+d.alipayCert+d.rootCerts+d.contentKey != ""
	u, err := url.Parse(d.gateway)
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected %q", flags.Arg(0))
	case !withKeys && d.notifyURL == "":
		return errors.New("-app-id, -app-private-key and -alipay-public-key are required, or -notify-url alone (-h tells more)")
	case withKeys && (d.appID == "" || d.privateKey == ""):
		return errors.New("-app-id and -app-private-key are required")
	case withKeys && d.alipayKey+d.appCert+d.alipayCert+d.rootCerts == "":
		return errors.New("-alipay-public-key is required, or in certificate mode -app-cert, -alipay-cert and -alipay-root-cert")
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil:
		return errors.New("-gateway wants the form https://host/gateway.do, without a query")
	}
	return nil
}

func (d *doctor) examine(ctx context.Context) {
	if d.privateKey != "" {
		d.examineAppID()
		sign, verify := d.examineKeys()
		content := d.examineContentKey()
		d.examineGateway(ctx, sign, verify, content)
	}
	d.examineNotifyURL(ctx)
}

// examineAppID knows the commonest mix-up; the rest is for Alipay to say.
func (d *doctor) examineAppID() {
	const check = "app_id"
	letters := strings.IndexFunc(d.appID, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
	switch {
	case !letters || len(d.appID) > 32:
		d.found(check, appIDMalformed, "up to 32 letters and digits are wanted")
	case strings.HasPrefix(d.appID, "2088") && len(d.appID) == 16:
		d.found(check, appIDMalformed, "this looks like a merchant's number (PID), which begins with 2088")
	default:
		d.fine(check, d.appID)
	}
}

func (d *doctor) examineContentKey() *signer.ContentKey {
	const check = "content_key"
	if d.contentKey == "" {
		return nil
	}
	key, err := signer.ContentKeyFromBase64(d.contentKey)
	if err != nil {
		d.found(check, contentKeyUnusable, err.Error())
		return nil
	}
	d.fine(check, "AES, 128 bits")
	return key
}

func (d *doctor) report(asJSON bool, w io.Writer) (int, error) {
	count := map[status]int{}
	for _, f := range d.findings {
		count[f.Status]++
	}
	code := exitHealthy
	if count[isError] > 0 {
		code = exitIll
	}
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		return code, encoder.Encode(d.findings)
	}
	var b strings.Builder
	for _, f := range d.findings {
		message := f.Message
		if f.Status != isOK {
			message = string(f.Code) + ": " + message
		}
		fmt.Fprintf(&b, "%-8s %-18s %s\n", f.Status, f.Check, message)
		if f.Advice != "" {
			fmt.Fprintf(&b, "%-8s %-18s -> %s\n", "", "", f.Advice)
		}
	}
	fmt.Fprintf(&b, "errors: %d, warnings: %d\n", count[isError], count[isWarning])
	_, err := io.WriteString(w, b.String())
	return code, err
}
