package main

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store/sqlstore"
)

// Alipay repeats a notice for 25 hours. A record that is forgotten before makes
// its refund a new one, and is told a second time: New must not allow that.
func TestForgottenBeforeItsLastNotice(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := sqlstore.Migrate(t.Context(), db, sqlstore.SQLite); err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.New(db, sqlstore.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	alipay := alipaytest.New(alipaytest.Config{})
	sign, _ := signer.FromPEM(alipay.AppPrivateKey())
	verify, _ := signer.VerifierFromPEM(alipay.AlipayPublicKey())
	told := 0
	m, err := alirefund.New(alirefund.Config{
		App:     alirefund.App{ID: alipay.AppID(), Signer: sign, Verifier: verify},
		Gateway: alipaytest.GatewayURL, HTTPClient: alipay.HTTPClient(), Store: s, Logger: slog.New(slog.DiscardHandler),
		Times:             alirefund.Times{KeepRefunds: time.Hour},
		OnRefundSucceeded: func(context.Context, alirefund.RefundSucceeded) error { told++; return nil },
	})
	if err != nil {
		return // refused
	}
	alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order", Total: 88_88, NotifyURL: "http://shop.test/notify"})
	alipay.Inject(alipaytest.Fault{Kind: alipaytest.NoticeLate, Delay: 2 * time.Hour})
	if _, err := m.Refund(t.Context(), alirefund.RefundRequest{OutTradeNo: "order", RefundAmount: 1_00, OutRequestNo: "R1"}); err != nil {
		t.Fatal(err)
	}
	// What Run does an hour later.
	if n, err := s.Prune(t.Context(), alipay.AppID(), time.Time{}, time.Now().Add(time.Second)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	router := gin.New()
	m.MountNotify(router)
	alipay.HandleNotices(router)
	alipay.Advance(3 * time.Hour)
	if told != 1 {
		t.Errorf("the host was told %d times of one refund, and nothing crashed", told)
	}
	var reserved int64
	if err := db.QueryRowContext(t.Context(), "SELECT reserved FROM alirefund_orders").Scan(&reserved); err != nil || reserved != 1_00 {
		t.Errorf("%d fen are reserved for a refund of 100: %v", reserved, err)
	}
}
