package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
)

const fakeHelp = `alirefund fake [-addr ADDRESS] [-keys DIR] [-notify-url URL] [flags]

Runs the fake Alipay of package alipaytest as a server, for the tests of applications
in any language: a gateway that verifies, keeps books, signs, sends notices over HTTP,
and fails on demand. The application takes its address for the gateway's, and its keys
for those of Alipay's console. The keys are made anew at each start, and are for tests
alone: -keys writes them into files, without it they are printed.

What exists, and what goes wrong, is said by HTTP and JSON below /fake/
(docs/testing.md). Whoever reaches the address may do so: leave it on this machine.

It ends by Ctrl-C. Exit codes: 0 it was ended; 2 wrong flags, or it could not begin.

`

// fakeFiles are the names of what -keys writes. They say what it is for.
var fakeFiles = struct{ appPrivate, alipayPublic, app, alipay, root string }{
	"test-only-app-private-key.pem", "test-only-alipay-public-key.txt",
	"test-only-app-certificate.crt", "test-only-alipay-certificate.crt", "test-only-alipay-roots.crt",
}

func fake(ctx context.Context, args []string, std streams) (int, error) {
	flags := flag.NewFlagSet("fake", flag.ContinueOnError)
	var config alipaytest.Config
	addr := flags.String("addr", "127.0.0.1:7075", "`ADDRESS` to listen on; port 0 takes a free one")
	keys := flags.String("keys", "", "write the keys into `DIR`, over those of an earlier start")
	notifyURL := flags.String("notify-url", "", "`URL` of the notices of what is added without one of its own")
	flags.StringVar(&config.AppID, "app-id", "", "the application's app_id, a `NUMBER`")
	flags.StringVar(&config.AppGatewayURL, "app-gateway-url", "", "`URL` of the application's gateway, to which messages go")
	flags.BoolVar(&config.Certificates, "certificates", false, "certificate mode")
	flags.StringVar(&config.ContentKey, "content-key", "", "encrypt the content with this AES `KEY` in base64")
	if err := parse(flags, args, fakeHelp, std); err != nil {
		return 0, err
	}
	if flags.NArg() > 0 {
		return 0, fmt.Errorf("unexpected %q", flags.Arg(0))
	}
	for name, text := range map[string]string{"notify-url": *notifyURL, "app-gateway-url": config.AppGatewayURL} {
		if err := wantsURL(text); err != nil {
			return 0, fmt.Errorf("-%s %w", name, err)
		}
	}
	var alipay *alipaytest.Alipay
	if err := attempt(func() { alipay = alipaytest.New(config) }); err != nil {
		return 0, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		return 0, fmt.Errorf("-addr: %w", err)
	}
	defer func() { _ = listener.Close() }() // the server has closed it, unless it never came to that
	if err := tellKeys(alipay, *keys, std); err != nil {
		return 0, fmt.Errorf("-keys: %w", err)
	}
	base := "http://" + listener.Addr().String()
	say(std.out, "app_id     %s\ngateway    %s/gateway.do, and /v3/ for OpenAPI version 3\ncontrol    %s/fake/\n", alipay.AppID(), base, base)
	say(std.out, "A fake Alipay listens, and ends by Ctrl-C.\n")
	return 0, serveFake(ctx, listener, alipay, *notifyURL)
}

func wantsURL(text string) error {
	address, err := url.Parse(text)
	if text != "" && (err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "") {
		return errors.New("wants an http or https URL")
	}
	return nil
}

// serveFake serves the gateway and the control, and posts notices, until ctx ends.
func serveFake(ctx context.Context, listener net.Listener, alipay *alipaytest.Alipay, notifyURL string) error {
	mux := http.NewServeMux()
	mux.Handle("/", alipay)
	(&control{alipay, notifyURL}).routes(mux)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { _ = server.Close() }) // what is in flight is a test's
	posted := make(chan struct{})
	go func() { defer close(posted); alipay.Run(ctx) }()
	err := server.Serve(listener)
	cancel()
	<-posted
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// tellKeys writes the keys into a folder, or prints them.
func tellKeys(alipay *alipaytest.Alipay, folder string, std streams) error {
	texts := []struct{ name, what, text string }{
		{fakeFiles.appPrivate, "the application's private key", alipay.AppPrivateKey()},
		{fakeFiles.alipayPublic, "Alipay's public key", alipay.AlipayPublicKey() + "\n"},
		{fakeFiles.app, "the application's certificate", alipay.AppCertificate()},
		{fakeFiles.alipay, "Alipay's certificate", alipay.AlipayCertificate()},
		{fakeFiles.root, "Alipay's roots", alipay.RootCertificates()},
	}
	if folder != "" {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	say(std.out, "For tests only, and of this run:\n")
	for _, t := range texts {
		switch name := filepath.Join(folder, t.name); {
		case strings.TrimSpace(t.text) == "": // in certificate mode alone
		case folder == "":
			say(std.out, "%s:\n%s\n", t.what, strings.TrimSpace(t.text))
		default:
			if err := os.WriteFile(name, []byte(t.text), 0o600); err != nil {
				return err
			}
			say(std.out, "%s: %s\n", t.what, name)
		}
	}
	return nil
}
