// Command alirefund helps to set up and to debug what this module does.
//
//	alirefund doctor       checks keys, certificates, the clock, the notify_url and one query
//	alirefund explain      says whether captured bytes verify, and if not, why
//	alirefund send-notice  posts a signed test notice to a URL
//	alirefund ddl          prints the SQL that makes sqlstore's tables
//	alirefund bill         prints the refunds of a daily bill, or holds them against a list
//	alirefund fake         runs a fake Alipay, for the tests of applications in any language
//
// Each subcommand tells its flags and exit codes by -h.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
)

// command is one subcommand. It returns the exit code, or what kept it from
// working, which is exit code 2.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string, std streams) (int, error)
}

var commands = []command{
	{"doctor", "check keys, certificates, the clock, the notify_url and one query", outside{net.DefaultResolver.LookupNetIP, http.DefaultTransport}.doctor},
	{"explain", "say whether captured bytes verify, and if not, why", explainCommand},
	{"send-notice", "post a signed test notice to a URL", sendNotice},
	{"ddl", "print the SQL that makes sqlstore's tables", ddl},
	{"bill", "print the refunds of a daily bill, or hold them against a list", billCommand},
	{"fake", "run a fake Alipay, for the tests of applications in any language", fake},
}

// streams are the standard ones.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// exitUsage: wrong flags, or a file that cannot be read.
const exitUsage = 2

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, std streams) int {
	if len(args) == 0 {
		usage(std.err)
		return exitUsage
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		code, err := c.run(ctx, args[1:], std)
		switch {
		case errors.Is(err, flag.ErrHelp):
			return 0
		case err != nil:
			say(std.err, "alirefund %s: %v\n", c.name, err)
			return exitUsage
		}
		return code
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		usage(std.out)
		return 0
	}
	say(std.err, "alirefund: there is no command %q\n\n", args[0])
	usage(std.err)
	return exitUsage
}

func usage(w io.Writer) {
	say(w, "alirefund COMMAND [flags], and COMMAND is one of:\n\n")
	for _, c := range commands {
		say(w, "  %-12s %s\n", c.name, c.summary)
	}
	say(w, "\nalirefund COMMAND -h tells its flags.\n")
}

// say prints. If that fails, nobody is there to be told.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// parse reads args. For -h it prints text and the flags to standard output, and
// fails with [flag.ErrHelp].
func parse(flags *flag.FlagSet, args []string, text string, std streams) error {
	flags.SetOutput(io.Discard) // run prints the error
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		say(std.out, "%s", text)
		flags.SetOutput(std.out)
		flags.PrintDefaults()
	}
	return err
}
