package engine

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// New checks the whole configuration and returns an engine, or every
// [*ConfigError] at once, joined. It opens no connection and never panics. It logs
// a certificate that ends within 30 days.
func New(config Config) (*Engine, error) {
	config, err := config.check()
	if err != nil {
		return nil, err
	}
	if config.HTTPClient == nil { // one for all applications
		config.HTTPClient = &http.Client{Transport: gateway.NewTransport(config.Times.Timeout)}
	}
	rules, err := newRules()
	if err != nil {
		return nil, err
	}
	e := &Engine{core: &core{
		config: config, ledger: store.Remember(config.Store), rules: rules, subscribers: newSubscribers(config.Subscribers),
	}, base: true}
	if config.OnRefundSucceededTx != nil {
		e.tx = e.ledger.(store.Transactor) // check has made sure
	}
	if config.App.ID == "" {
		e.own = &application{log: config.Logger, lost: errNoApp}
		e.application = e.own
		return e, nil
	}
	if e.own, err = e.assemble(config.App, config.Logger, nil); err != nil {
		return nil, err
	}
	e.application = e.own
	e.warnOfExpiry(context.Background())
	return e, nil
}

// newApplication is what Config.Apps returned, checked as Config.App is.
func (e *Engine) newApplication(id string, app App, before *application) (*application, error) {
	p := &problems{}
	field := "Apps(" + id + ")"
	app.check(p, field)
	if app.ID != id && isAppID(app.ID) {
		p.add(field+".ID", "is another application's: return that of the app_id that is asked for, or ErrUnknownApp")
	}
	if err := errors.Join(p.errs...); err != nil {
		return nil, err
	}
	return e.assemble(app.within(e.config), e.config.Logger.With("app", id), before)
}

// assemble puts together what calls Alipay and listens for an application. It keeps the
// client of before, which may be nil, if it would be made alike: it holds connections, and
// knows Alipay's next certificates.
func (e *Engine) assemble(app App, log *slog.Logger, before *application) (*application, error) {
	a := &application{
		app: app, log: log,
		receiver: &notify.Receiver{Verifier: app.Verifier, AppID: app.ID, SellerIDs: app.SellerIDs},
	}
	if before != nil && before.app.calls(app) {
		a.gateway = before.gateway
	} else {
		var err error
		if a.gateway, err = gateway.New(gateway.Config{
			AppID: app.ID, Signer: app.Signer, Verifier: app.Verifier, ContentKey: app.ContentKey,
			URL: app.Gateway, Protocol: e.config.Protocol, HTTP: e.config.HTTPClient, Timeout: e.config.Times.Timeout, Logger: log,
		}); err != nil {
			return nil, &ConfigError{Field: "App", Problem: err.Error(), Err: err}
		}
	}
	a.products = (&Engine{core: e.core, application: a}).table()
	return a, nil
}

// table lists the products, one row each.
func (e *Engine) table() []product {
	return []product{
		e.tradeProduct(),    // alipay.trade.refund
		e.couponProduct(),   // alipay.fund.coupon.order.refund
		e.transferProduct(), // alipay.fund.trans.refund
		e.unfreezeProduct(), // alipay.fund.auth.order.unfreeze
	}
}
