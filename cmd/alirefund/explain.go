package main

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/alirefund/alirefund/explain"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

const explainHelp = `alirefund explain -alipay-public-key FILE [flags] [FILE]

Says whether a captured notice, message, return_url, answer or request verifies,
and if not, which known cause it is. The capture is the body's bytes as they
came, from FILE or from standard input; one line break at its end is ignored.
Key files hold PEM, one bare line of base64, or a certificate.

Exit codes: 0 it verifies; 1 it does not, and the cause is named; 2 wrong flags
or an unreadable file; 3 it does not, and no known cause could be shown.

`

// Exit codes of explain.
const (
	exitVerifies = 0
	exitNamed    = 1
	exitUnknown  = 3
)

// explained is what -json prints. The names are stable.
type explained struct {
	Verifies     bool          `json:"verifies"`
	Kind         explain.Kind  `json:"kind"`
	Notification notify.Kind   `json:"notification"`
	Cause        explain.Cause `json:"cause"`
	Hint         string        `json:"hint"`
	Signed       string        `json:"signed"`
}

func explainCommand(_ context.Context, args []string, std streams) (int, error) {
	flags := flag.NewFlagSet("explain", flag.ContinueOnError)
	alipay := flags.String("alipay-public-key", "", "`FILE` with Alipay's public key or certificate (required, but for requests)")
	app := flags.String("app-public-key", "", "`FILE` with the application's own public key or certificate")
	appID := flags.String("app-id", "", "app_id, `ID`, that notices should be for")
	asJSON := flags.Bool("json", false, "print one JSON object: verifies, kind, notification, cause, hint, signed")
	if err := parse(flags, args, explainHelp, std); err != nil {
		return 0, err
	}
	if *alipay == "" && *app == "" {
		return 0, errors.New("-alipay-public-key is required (-h tells more)")
	}
	keys := explain.Keys{AppID: *appID}
	if err := readKeys(&keys, *alipay, *app); err != nil {
		return 0, err
	}
	raw, err := capture(flags, std.in)
	if err != nil {
		return 0, err
	}
	r := explain.Explain(raw, keys)
	if *asJSON {
		err = printJSON(std.out, r)
	} else {
		err = printText(std.out, r)
	}
	switch {
	case err != nil:
		return 0, err
	case r.Verifies:
		return exitVerifies, nil
	case r.Cause == explain.Unknown:
		return exitUnknown, nil
	}
	return exitNamed, nil
}

// readKeys takes weak keys and SHA1 as well, to recognise what was signed with
// them; explain accepts neither.
func readKeys(keys *explain.Keys, alipay, app string) error {
	if alipay != "" {
		public, err := readPublicKey(alipay)
		if err != nil {
			return err
		}
		if keys.Alipay, err = signer.NewVerifierAcceptingSHA1AndWeakKeys(public); err != nil {
			return fmt.Errorf("%s: %w", alipay, err)
		}
	}
	if app != "" {
		public, err := readPublicKey(app)
		if err != nil {
			return err
		}
		keys.App = public
	}
	return nil
}

func readPublicKey(name string) (*rsa.PublicKey, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the user's own choice
	if err != nil {
		return nil, err
	}
	keys, err := signer.PublicKeysFromPEM(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys[0], nil
}

// capture reads the bytes to be explained, without the line break that editors
// and echo put behind them.
func capture(flags *flag.FlagSet, in io.Reader) ([]byte, error) {
	switch flags.NArg() {
	case 0:
	case 1:
		file, err := os.Open(flags.Arg(0))
		if err != nil {
			return nil, err
		}
		defer file.Close() //nolint:errcheck // it was only read
		in = file
	default:
		return nil, fmt.Errorf("one FILE is wanted, not %d; flags stand before it", flags.NArg())
	}
	raw, err := io.ReadAll(io.LimitReader(in, explain.MaxSize+2))
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte("\n")), []byte("\r")), nil
}

func printJSON(w io.Writer, r explain.Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(explained(r))
}

func printText(w io.Writer, r explain.Report) error {
	kind := string(r.Kind)
	if r.Notification != "" {
		kind += " (" + string(r.Notification) + ")"
	}
	verifies := "no"
	if r.Verifies {
		verifies = "yes"
	}
	var b strings.Builder
	for _, line := range [][2]string{{"verifies", verifies}, {"kind", kind}, {"cause", string(r.Cause)}, {"hint", r.Hint}, {"signed", printable(r.Signed)}} {
		if line[1] != "" {
			fmt.Fprintf(&b, "%-9s %s\n", line[0]+":", line[1])
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printable keeps a capture's control characters away from the terminal.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '\ufffd'
	}, text)
}
