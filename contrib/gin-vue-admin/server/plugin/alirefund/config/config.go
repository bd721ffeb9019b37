// Package config has the plugin's part of config.yaml, and what only code can say.
package config

import "github.com/alirefund/alirefund"

// Config is the part alirefund of config.yaml.
type Config struct {
	AppID           string `mapstructure:"app-id" json:"app-id" yaml:"app-id"`
	PrivateKey      string `mapstructure:"private-key" json:"private-key" yaml:"private-key"`                   // one line or PEM
	AlipayPublicKey string `mapstructure:"alipay-public-key" json:"alipay-public-key" yaml:"alipay-public-key"` // Alipay's, not the application's
	NotifyURL       string `mapstructure:"notify-url" json:"notify-url" yaml:"notify-url"`                      // …/alirefund/notify
	Sandbox         bool   `mapstructure:"sandbox" json:"sandbox" yaml:"sandbox"`
}

// Change sets what stands in no file, above all the hooks, before the module is made. Set
// it in an init of yours:
//
//	config.Change = func(c *alirefund.Config) { c.OnRefundSucceededTx = orders.Refunded }
var Change = func(*alirefund.Config) {}
