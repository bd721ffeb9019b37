package main

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alirefund/alirefund"
)

// options are the flags as they were given.
type options struct {
	addr, gateway, appID, privateKey, alipayPublicKey, notifyURL, staffToken, timeout, firstCheck, transit, store, events, drain string

	madeToken bool // the staff token is this run's own
}

func (o *options) flags() *flag.FlagSet {
	set := flag.NewFlagSet("example_app", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`ADDRESS` to listen on; port 0 takes a free one")
	set.StringVar(&o.gateway, "gateway", "", "`URL` of Alipay's gateway, such as https://openapi.alipay.com/gateway.do;\nempty runs a fake Alipay inside, with some paid orders")
	set.StringVar(&o.appID, "app-id", "", "the application's app_id, a `NUMBER`; required with -gateway")
	set.StringVar(&o.privateKey, "private-key", "", "`FILE` with the application's private key; required with -gateway")
	set.StringVar(&o.alipayPublicKey, "alipay-public-key", "", "`FILE` with Alipay's public key; required with -gateway")
	set.StringVar(&o.notifyURL, "notify-url", "", "public `URL` of "+notifyPath+", where refunds of red packets are notified;\nwith the fake it is this shop's own by default")
	set.StringVar(&o.staffToken, "staff-token", "", "bearer `TOKEN` that guards the refund routes;\na random one is made and printed by default")
	set.StringVar(&o.timeout, "timeout", "15s", "`DURATION` that one call to Alipay may take")
	set.StringVar(&o.firstCheck, "first-check", "10s", "`DURATION` after which an unresolved refund is first asked about, and the quiet\ntime before it may be sent again; Alipay asks for 10s")
	set.StringVar(&o.transit, "transit", "20m", "`DURATION` that a request may be on its way: for so long after a send without an\nanswer, a refusal of the next is not believed")
	set.StringVar(&o.store, "store", "memory", "`WHERE` refunds and orders are kept: memory, which forgets when the shop stops;\nsqlite:FILE, postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=…, or\nmysql://USER:PASSWORD@HOST:3306/DATABASE, also for MariaDB; tables are made,\nand parameters are those of the drivers pgx and go-sql-driver/mysql;\nor redis://USER:PASSWORD@HOST:6379/0, see docs/guarantees.md")
	set.StringVar(&o.events, "events", "", "`FILE` that every call of a hook is appended to, as one line of JSON;\nwith a database the line of a refund may come twice if the shop was killed\nbefore its transaction was committed, and the row of its order never does")
	set.StringVar(&o.drain, "drain", "0s", "`DURATION` that a shop which is told to stop goes on to serve, while GET /readyz says\nthat it is not ready: a little longer than a load balancer takes to notice")
	set.VisitAll(func(f *flag.Flag) { f.Usage += "\n(environment: " + twin(f.Name) + ")" })
	return set
}

// twin is the environment variable that says the same as a flag.
func twin(name string) string {
	return "ALIREFUND_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// parse reads the environment, and then the flags, which win. What is wrong with
// them goes to wrong; it fails with [flag.ErrHelp] alone.
func parse(args []string, env func(string) string, wrong problems) (*options, error) {
	o := &options{}
	set := o.flags()
	set.VisitAll(func(f *flag.Flag) {
		if value := env(twin(f.Name)); value != "" {
			_ = f.Value.Set(value) // a text takes every value
		}
	})
	for len(args) > 0 { // on, after what is wrong: all of it is to be named
		err := set.Parse(args)
		rest := set.Args()
		if len(rest) == len(args) {
			err, rest = errors.New("an argument that is no flag is given"), rest[1:]
		}
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		if err != nil {
			wrong[err.Error()] = err.Error()
		}
		args = rest
	}
	if o.staffToken == "" {
		o.staffToken, o.madeToken = rand.Text(), true
	}
	if strings.Trim(o.staffToken, tokenCharacters) != "" {
		wrong.add("staff-token", "wants letters, digits and -._~+/= alone, which is what a bearer token may have (RFC 6750)")
	}
	return o, nil
}

const tokenCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

func (o *options) help(w io.Writer) error {
	set := (&options{}).flags()
	set.SetOutput(w)
	_, err := fmt.Fprintln(w, "example_app is a small shop that refunds through Alipay. Its flags, each with an\nenvironment variable that says the same and that the flag wins over:")
	set.PrintDefaults()
	return err
}

// problems is what is wrong with the settings, a sentence by flag.
type problems map[string]string

func (p problems) Error() string {
	text := "some settings are wrong (-h explains them all):"
	for _, problem := range slices.Sorted(maps.Values(p)) {
		text += "\n  " + problem
	}
	return text
}

// add notes the first problem of a flag.
func (p problems) add(name, problem string) {
	if _, known := p[name]; !known {
		p[name] = "-" + name + " (" + twin(name) + "): " + problem
	}
}

// addConfig notes what [alirefund.New] found, under the flags that it came from.
func (p problems) addConfig(err error) {
	var several interface{ Unwrap() []error }
	var one *alirefund.ConfigError
	flags := map[string]string{
		"App.ID": "app-id", "App.Signer": "private-key", "App.Verifier": "alipay-public-key",
		"App.NotifyURL": "notify-url", "Gateway": "gateway", "Times.Timeout": "timeout",
		"Times.FirstCheck": "first-check", "Times.Transit": "transit", "Store": "store",
	}
	switch {
	case err == nil:
	case errors.As(err, &several):
		for _, err := range several.Unwrap() {
			p.addConfig(err)
		}
	case errors.As(err, &one) && flags[one.Field] != "":
		p.add(flags[one.Field], one.Problem)
	default:
		p[err.Error()] = err.Error()
	}
}

// read returns the content of the file that a required flag names. The name is
// never repeated: it happens that it is the key itself.
func (p problems) read(name, file string) string {
	if file == "" {
		p.add(name, "is required with -gateway")
		return ""
	}
	text, err := os.ReadFile(file) //nolint:gosec // whoever starts the shop names it
	if err != nil {
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			err = path.Err
		}
		p.add(name, "the file cannot be read: "+err.Error())
	}
	return string(text)
}

// duration reads the value of a flag.
func (p problems) duration(name, value string) time.Duration {
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		p.add(name, "wants a duration above zero, such as 15s")
	}
	return d
}

// pause reads the value of a flag that may be 0s, for none.
func (p problems) pause(name, value string) time.Duration {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		p.add(name, "wants a duration, such as 5s, or 0s for none")
	}
	return d
}
