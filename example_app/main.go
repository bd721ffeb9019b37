// Command example_app is a small shop that mounts alirefund. Without any flag a
// fake Alipay runs inside, so that it needs no account and moves no money:
//
//	go run ./example_app
//
// shop.go is what a host writes: its guard, its order totals, its hooks, and how
// the routes are mounted. orders.go, database.go and redis.go are its books, in
// memory, in a database and in Redis. This file starts and stops it, by the flags of flags.go; fake.go
// is what exists in the fake Alipay. The files demo*.go are the page at /, which no shop
// needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "example_app:", err)
	}
	os.Exit(exitCode(err))
}

func exitCode(err error) int {
	var wrong problems
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		return 2
	}
	return 1
}

// run is the program: it serves until ctx ends. It fails with [problems], all of
// them at once, if settings are wrong.
func run(ctx context.Context, args []string, env func(string) string, stdout io.Writer) error {
	wrong := problems{}
	o, err := parse(args, env, wrong)
	if errors.Is(err, flag.ErrHelp) {
		return o.help(stdout)
	}
	listener, base, err := listen(ctx, o.addr)
	if err != nil {
		wrong.add("addr", err.Error())
	} else {
		defer func() { _ = listener.Close() }() // serve has closed it, unless it never came to that
	}
	events, err := openEventLog(o.events)
	if err != nil {
		wrong.add("events", err.Error())
	} else {
		defer func() { _ = events.Close() }() // every line is on the disk already
	}
	ledger, orders, closeStore, err := openStore(ctx, o.store)
	if err != nil {
		wrong.add("store", err.Error())
	} else {
		defer closeStore()
	}

	shop := &shop{staffToken: o.staffToken, staff: &sessions{}, orders: orders, events: events, log: log.New(stdout, "", 0)}
	drain := wrong.pause("drain", o.drain)
	config := shop.config(ledger)
	config.Times.Timeout, config.Times.FirstCheck = wrong.duration("timeout", o.timeout), wrong.duration("first-check", o.firstCheck)
	config.Times.Transit = wrong.duration("transit", o.transit)
	var alipay *network // in front of the fake
	if o.gateway == "" {
		alipay = newNetwork()
		alipay.fake = newFake(base+payNotifyPath, alipay.notices())
		o.useFake(alipay.fake, base+notifyPath, &config, wrong)
		config.HTTPClient = alipay.calls(config.HTTPClient)
	} else {
		o.useGateway(&config, wrong)
	}
	d := newDemo(shop, base, alipay)
	config.Observer = observer{d.steps}
	module, metrics, err := measure(config)
	wrong.addConfig(err)
	if len(wrong) > 0 {
		return wrong
	}
	if alipay != nil {
		if err := enter(ctx, orders); err != nil {
			return err
		}
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var background sync.WaitGroup
	d.launch = func(module *alirefund.Module, metrics http.Handler) *life {
		running, end := context.WithCancel(running)
		background.Go(func() { module.Run(running) })
		return &life{module, shop.with(metrics).routes(module), end}
	}
	d.again = func() (*alirefund.Module, http.Handler, error) { return measure(config) }
	d.now = d.launch(module, metrics)
	if alipay != nil {
		background.Go(func() { alipay.fake.Run(running) }) // it posts its notices to this very shop
	}
	return open(ctx, o, d, listener, drain, 4*config.Times.Timeout+time.Minute, func() { cancel(); background.Wait() })
}

// open serves the shop until ctx ends, and then stops in order: no more is sent here,
// what is here is answered, Run ends what it has begun, which end waits for, and so do the
// hooks. patience is as long as a refund may take: a send, three questions, and the hooks.
func open(ctx context.Context, o *options, d *demo, listener net.Listener, drain, patience time.Duration, end func()) error {
	log := d.shop.log
	log.Printf("%s/ is the demo: refund something, let something go wrong, and watch.\n", d.base)
	if d.network != nil {
		log.Print(tryOut(d.base, o.staffToken))
	} else if o.madeToken {
		log.Printf("The staff token of this run is %s", o.staffToken)
	}
	log.Printf("The shop listens at %s and stops by Ctrl-C.", d.base)
	err := serve(ctx, listener, d.handler(), func() { leave(d.current().module, drain); d.close() }, patience)
	last := d.current() // none is just being started
	end()
	// The hooks write to the shop's database, which is closed next.
	ending, stop := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer stop()
	return errors.Join(err, last.module.Close(ending))
}

// openStore returns what -store names: where the module keeps refunds, and the
// shop its orders.
func openStore(ctx context.Context, name string) (_ store.Store, _ orderBook, closeStore func(), err error) {
	if name == "memory" {
		return store.NewMemory(), newMemory(), func() {}, nil
	}
	if strings.HasPrefix(name, "redis:") {
		book, ledger, err := openRedis(name)
		if err != nil {
			return nil, nil, nil, err
		}
		return ledger, book, func() { _ = book.Close() }, nil
	}
	d, ledger, err := openDatabase(ctx, name)
	if err != nil {
		return nil, nil, nil, err
	}
	return ledger, d, func() { _ = d.Close() }, nil
}

// listen returns the listener and the URL by which this machine reaches it.
func listen(ctx context.Context, addr string) (_ net.Listener, base string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, "http://localhost", err
	}
	host, port, _ := net.SplitHostPort(listener.Addr().String()) // it is written by net itself
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "localhost"
	}
	return listener, "http://" + net.JoinHostPort(host, port), nil
}

// serve serves until ctx ends, and then while leave waits; after that it accepts nothing
// more, and lets what is in flight end within patience.
func serve(ctx context.Context, listener net.Listener, h http.Handler, leave func(), patience time.Duration) error {
	// Connections stay open for longer than a load balancer keeps them unused (often a
	// minute): whoever closes one first takes along a request that is just being sent.
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	leave()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return server.Shutdown(ctx)
}

// useFake makes the fake the shop's Alipay.
func (o *options) useFake(fake *alipaytest.Alipay, notifyURL string, c *alirefund.Config, wrong problems) {
	for name, value := range map[string]string{
		"app-id": o.appID, "private-key": o.privateKey, "alipay-public-key": o.alipayPublicKey,
	} {
		if value != "" {
			wrong.add(name, "is of no use without -gateway, and no real money would move")
		}
	}
	if o.notifyURL != "" {
		notifyURL = o.notifyURL
	}
	c.Gateway, c.HTTPClient = alipaytest.GatewayURL, fake.HTTPClient()
	c.App = alirefund.App{ID: fake.AppID(), NotifyURL: notifyURL}
	setKeys(&c.App, fake.AppPrivateKey(), fake.AlipayPublicKey(), wrong)
}

// useGateway makes what the flags name the shop's Alipay.
func (o *options) useGateway(c *alirefund.Config, wrong problems) {
	if o.appID == "" {
		wrong.add("app-id", "is required with -gateway")
	}
	c.Gateway = o.gateway
	c.App = alirefund.App{ID: o.appID, NotifyURL: o.notifyURL}
	setKeys(&c.App, wrong.read("private-key", o.privateKey), wrong.read("alipay-public-key", o.alipayPublicKey), wrong)
}

func setKeys(app *alirefund.App, private, public string, wrong problems) {
	var err error
	if app.Signer, err = signer.FromPEM(private); err != nil {
		wrong.add("private-key", err.Error())
	}
	if app.Verifier, err = signer.VerifierFromPEM(public); err != nil {
		wrong.add("alipay-public-key", err.Error())
	}
}
