package engine

import (
	"context"

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
	client, err := gateway.New(gateway.Config{
		AppID: config.App.ID, Signer: config.App.Signer, Verifier: config.App.Verifier, ContentKey: config.App.ContentKey,
		URL: config.Gateway, Protocol: config.Protocol, HTTP: config.HTTPClient, Timeout: config.Times.Timeout, Logger: config.Logger,
	})
	if err != nil {
		return nil, &ConfigError{Field: "App", Problem: err.Error(), Err: err}
	}
	rules, err := newRules()
	if err != nil {
		return nil, err
	}
	e := &Engine{
		config:   config,
		gateway:  client,
		receiver: &notify.Receiver{Verifier: config.App.Verifier, AppID: config.App.ID, SellerIDs: config.App.SellerIDs},
		ledger:   store.Remember(config.Store),
		rules:    rules,

		subscribers: newSubscribers(config.Subscribers),
		log:         config.Logger,
	}
	if config.OnRefundSucceededTx != nil {
		e.tx = e.ledger.(store.Transactor) // check has made sure
	}
	e.products = e.table()
	e.warnOfExpiry(context.Background())
	return e, nil
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
