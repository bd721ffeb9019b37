// Package initialize is what the plugin does when gin-vue-admin registers it.
package initialize

import (
	"context"
	"fmt"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"

	"github.com/flipped-aurora/gin-vue-admin/server/global"
	"github.com/flipped-aurora/gin-vue-admin/server/plugin/alirefund/config"
)

// Module makes the module by config.yaml, with its ledger in gin-vue-admin's database.
func Module(ctx context.Context) (*alirefund.Module, error) {
	var c config.Config
	if err := global.GVA_VP.UnmarshalKey("alirefund", &c); err != nil {
		return nil, err
	}
	sign, err := signer.FromPEM(c.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("private-key: %w", err)
	}
	verify, err := signer.VerifierFromPEM(c.AlipayPublicKey)
	if err != nil {
		return nil, fmt.Errorf("alipay-public-key: %w", err)
	}
	ledger, err := ledger(ctx)
	if err != nil {
		return nil, err
	}
	settings := alirefund.Config{
		App:   alirefund.App{ID: c.AppID, Signer: sign, Verifier: verify, NotifyURL: c.NotifyURL},
		Store: ledger,
	}
	if c.Sandbox {
		settings.Gateway = gateway.Sandbox
	}
	config.Change(&settings)
	return alirefund.New(settings)
}

// ledger is in gin-vue-admin's own database, so that a hook can book in the transaction
// in which the event is marked as delivered.
func ledger(ctx context.Context) (store.Store, error) {
	dialects := map[string]sqlstore.Dialect{"mysql": sqlstore.MySQL, "pgsql": sqlstore.PostgreSQL, "sqlite": sqlstore.SQLite}
	dialect, known := dialects[global.GVA_CONFIG.System.DbType]
	if !known {
		return nil, fmt.Errorf("system.db-type %q has no ledger: mysql, pgsql and sqlite have", global.GVA_CONFIG.System.DbType)
	}
	db, err := global.GVA_DB.DB()
	if err != nil {
		return nil, err
	}
	if err := sqlstore.Migrate(ctx, db, dialect); err != nil {
		return nil, err
	}
	return sqlstore.New(db, dialect)
}
