package signer_test

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"

	"github.com/alirefund/alirefund/signer"
)

// Keys are generated, once each in a run: no file holds one.
var (
	appKey    = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	alipayKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	weakKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func refundParams() []signer.Param {
	return []signer.Param{
		{Key: "app_id", Value: "2021000000000001"},
		{Key: "method", Value: "alipay.trade.refund"},
		{Key: "format", Value: "JSON"},
		{Key: "charset", Value: "utf-8"},
		{Key: "sign_type", Value: "RSA2"},
		{Key: "timestamp", Value: "2026-01-02 03:04:05"},
		{Key: "version", Value: "1.0"},
		{Key: "biz_content", Value: `{"out_trade_no":"T1","refund_amount":"0.01","refund_reason":"退 1+1"}`},
	}
}

const refundText = `app_id=2021000000000001&biz_content={"out_trade_no":"T1","refund_amount":"0.01","refund_reason":"退 1+1"}` +
	`&charset=utf-8&format=JSON&method=alipay.trade.refund&sign_type=RSA2&timestamp=2026-01-02 03:04:05&version=1.0`
