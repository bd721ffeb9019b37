package conformance

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
	mysqlgorm "gorm.io/driver/mysql"
	postgresgorm "gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	mysqlqueries "github.com/alirefund/alirefund/internal/conformance/sqlc/mysql"
	queries "github.com/alirefund/alirefund/internal/conformance/sqlc/postgres"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store/sqlstore"
)

// What docs/data-layers.md shows is cut from this file: TestDataLayersPageIsTested.

// hookTx is Config.OnRefundSucceededTx.
type hookTx = func(ctx context.Context, tx *sql.Tx, e alirefund.RefundSucceeded) error

// OrderRefund is the host's row, by GORM and sqlx.
type OrderRefund struct {
	RefundID   string `gorm:"primaryKey" db:"refund_id"`
	OutTradeNo string `db:"out_trade_no"`
	Fen        int64  `db:"fen"`
}

func gormHook(hostDB *gorm.DB) hookTx {
	return func(ctx context.Context, tx *sql.Tx, e alirefund.RefundSucceeded) error {
		s := hostDB.Session(&gorm.Session{NewDB: true, Context: ctx}) // never without Context
		s.Statement.ConnPool = tx
		return s.Create(&OrderRefund{RefundID: e.Refund.ID, OutTradeNo: e.Refund.OutTradeNo, Fen: int64(e.Refund.Amount)}).Error
	}
}

func sqlxHook(hostDB *sqlx.DB) hookTx {
	return func(ctx context.Context, tx *sql.Tx, e alirefund.RefundSucceeded) error {
		query, args, err := hostDB.BindNamed(
			"INSERT INTO order_refunds (refund_id, out_trade_no, fen) VALUES (:refund_id, :out_trade_no, :fen)",
			OrderRefund{RefundID: e.Refund.ID, OutTradeNo: e.Refund.OutTradeNo, Fen: int64(e.Refund.Amount)})
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			return err
		}
		var row OrderRefund // to read, put sqlx around tx
		in := &sqlx.Tx{Tx: tx, Mapper: hostDB.Mapper}
		return in.GetContext(ctx, &row, hostDB.Rebind("SELECT * FROM order_refunds WHERE refund_id = ?"), e.Refund.ID)
	}
}

func sqlcHook(hostDB *sql.DB) hookTx {
	q := queries.New(hostDB)
	return func(ctx context.Context, tx *sql.Tx, e alirefund.RefundSucceeded) error {
		return q.WithTx(tx).AddRefund(ctx, queries.AddRefundParams{
			RefundID: e.Refund.ID, OutTradeNo: e.Refund.OutTradeNo, Fen: int64(e.Refund.Amount),
		})
	}
}

// sqlcHookOfMySQL is the same by what sqlc generates for MySQL.
func sqlcHookOfMySQL(hostDB *sql.DB) hookTx {
	q := mysqlqueries.New(hostDB)
	return func(ctx context.Context, tx *sql.Tx, e alirefund.RefundSucceeded) error {
		return q.WithTx(tx).AddRefund(ctx, mysqlqueries.AddRefundParams{
			RefundID: e.Refund.ID, OutTradeNo: e.Refund.OutTradeNo, Fen: int64(e.Refund.Amount),
		})
	}
}

func entHook(name string) hookTx { // dialect.Postgres or dialect.MySQL
	return func(ctx context.Context, tx *sql.Tx, e alirefund.RefundSucceeded) error {
		driver := entsql.NewDriver(name, entsql.Conn{ExecQuerier: tx}) // ent.NewClient(ent.Driver(driver)) takes it
		query, args := entsql.Dialect(name).Insert("order_refunds").Columns("refund_id", "out_trade_no", "fen").
			Values(e.Refund.ID, e.Refund.OutTradeNo, int64(e.Refund.Amount)).Query()
		return driver.Exec(ctx, query, args, nil)
	}
}

func pgxPool(pool *pgxpool.Pool) (*sqlstore.Store, hookTx, error) {
	ledger, err := sqlstore.New(stdlib.OpenDBFromPool(pool), sqlstore.PostgreSQL)
	return ledger, func(ctx context.Context, tx *sql.Tx, e alirefund.RefundSucceeded) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO order_refunds (refund_id, out_trade_no, fen) VALUES ($1, $2, $3)",
			e.Refund.ID, e.Refund.OutTradeNo, int64(e.Refund.Amount))
		return err
	}, err
}

// gormOn opens the host's GORM on its pool.
func gormOn(t *testing.T, d database, config *gorm.Config) *gorm.DB {
	t.Helper()
	dialector := postgresgorm.New(postgresgorm.Config{Conn: d.DB})
	if d.dialect == sqlstore.MySQL {
		dialector = mysqlgorm.New(mysqlgorm.Config{Conn: d.DB})
	}
	hostDB, err := gorm.Open(dialector, config)
	if err != nil {
		t.Fatal(err)
	}
	return hostDB
}

func TestDataLayers(t *testing.T) {
	for _, layer := range []struct {
		name string
		hook func(t *testing.T, d database) hookTx
	}{
		{"GORM", func(t *testing.T, d database) hookTx { return gormHook(gormOn(t, d, &gorm.Config{})) }},
		{"GORM, other settings", func(t *testing.T, d database) hookTx {
			return gormHook(gormOn(t, d, &gorm.Config{PrepareStmt: true, SkipDefaultTransaction: true}))
		}},
		{"sqlx", func(_ *testing.T, d database) hookTx { return sqlxHook(sqlx.NewDb(d.DB, d.driver)) }},
		{"sqlc", func(_ *testing.T, d database) hookTx {
			if d.dialect == sqlstore.MySQL {
				return sqlcHookOfMySQL(d.DB)
			}
			return sqlcHook(d.DB)
		}},
		{"ent", func(_ *testing.T, d database) hookTx {
			return entHook(map[sqlstore.Dialect]string{sqlstore.PostgreSQL: dialect.Postgres, sqlstore.MySQL: dialect.MySQL}[d.dialect])
		}},
	} {
		for _, e := range engines[1:] {
			t.Run(layer.name+" on "+e.name, func(t *testing.T) {
				d := hostsDatabase(t, e)
				ledger, err := sqlstore.New(d.DB, d.dialect)
				if err != nil {
					t.Fatal(err)
				}
				d.wantOneCommit(t, ledger, layer.hook(t, d))
			})
		}
	}
	t.Run("pgx's pool", func(t *testing.T) {
		d := hostsDatabase(t, engines[1])
		pool, err := pgxpool.New(t.Context(), d.url)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		ledger, hook, err := pgxPool(pool)
		if err != nil {
			t.Fatal(err)
		}
		d.wantOneCommit(t, ledger, hook)
	})
}

// hostsDatabase has a host's table and the ledger's.
func hostsDatabase(t *testing.T, e engine) database {
	t.Helper()
	aside, _ := e.aside(t)
	d := aside.open(t)
	schema, err := os.ReadFile("sqlc/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	d.exec(t, string(schema))
	if err := sqlstore.Migrate(t.Context(), d.DB, d.dialect); err != nil {
		t.Fatal(err)
	}
	return d
}

// wantOneCommit refunds an order, with a hook that writes and then fails, writes and
// then returns nil. Its row and the event's mark are both there, or neither is.
func (d database) wantOneCommit(t *testing.T, ledger *sqlstore.Store, hook hookTx) {
	t.Helper()
	a := alipaytest.New(alipaytest.Config{})
	url, stop, err := a.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	sign, errSign := signer.FromPEM(a.AppPrivateKey())
	verify, errVerify := signer.VerifierFromPEM(a.AlipayPublicKey())
	if err := errors.Join(errSign, errVerify); err != nil {
		t.Fatal(err)
	}
	calls := 0
	m, err := alirefund.New(alirefund.Config{
		App: alirefund.App{ID: a.AppID(), Signer: sign, Verifier: verify}, Gateway: url, Store: ledger, Logger: slog.New(slog.DiscardHandler),
		OnRefundSucceededTx: func(ctx context.Context, tx *sql.Tx, e alirefund.RefundSucceeded) error {
			calls++
			if err := hook(ctx, tx, e); err != nil {
				t.Errorf("the host's write: %v", err)
			}
			var within int
			if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM order_refunds").Scan(&within); err != nil || within != 1 {
				t.Errorf("the transaction has %d rows, %v", within, err)
			}
			if outside := d.number(t, "SELECT COUNT(*) FROM order_refunds"); outside != 0 {
				t.Error("the row is there before the commit")
			}
			if calls == 1 {
				return errors.New("the host fails after its write")
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	order := a.AddTrade(alipaytest.Trade{Total: 8_88}).OutTradeNo
	for call := range 3 { // each of the same request; the hook runs until it returned nil
		if _, err := m.Refund(t.Context(), alirefund.RefundRequest{OutTradeNo: order, OutRequestNo: "R1", RefundAmount: 8_88}); err != nil {
			t.Fatal(err)
		}
		told := min(call, 1) // and not the first time
		rows := d.number(t, "SELECT COUNT(*) FROM order_refunds WHERE fen = 888 AND out_trade_no = ?", order)
		undelivered := d.number(t, "SELECT SUM(undelivered) FROM alirefund_refunds")
		if rows != int64(told) || undelivered != int64(1-told) || calls != told+1 {
			t.Errorf("after request %d there are %d rows, %d undelivered, and the hook ran %d times", call+1, rows, undelivered, calls)
		}
	}
}

// The host's global *gorm.DB is not left at the transaction; it would be without
// Context, which is the trap that the page tells of.
func TestGORMSessionWithoutContext(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			d := hostsDatabase(t, e)
			hostDB := gormOn(t, d, &gorm.Config{})
			before := hostDB.Statement.ConnPool
			tx, err := d.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var told alirefund.RefundSucceeded
			told.Refund.ID = "rf_1"
			if err := gormHook(hostDB)(t.Context(), tx, told); err != nil {
				t.Error(err)
			}
			if hostDB.Statement.ConnPool != before {
				t.Error("the host's GORM is left at the transaction")
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			var rows int64
			if err := hostDB.Model(&OrderRefund{}).Count(&rows).Error; err != nil || rows != 0 {
				t.Errorf("after a rollback the host's GORM counts %d rows, %v", rows, err)
			}

			s := hostDB.Session(&gorm.Session{NewDB: true})
			s.Statement.ConnPool = tx
			if hostDB.Statement.ConnPool != gorm.ConnPool(tx) {
				t.Error("without Context it is not left there either: the page's warning is out of date")
			}
			if err := hostDB.Model(&OrderRefund{}).Count(&rows).Error; !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("a later query: %v", err)
			}
		})
	}
}

// Each line of Go in the pages on data layers is a line of this file.
func TestDataLayersPageIsTested(t *testing.T) {
	lines := func(text string) (trimmed string) {
		for line := range strings.Lines(text) {
			trimmed += strings.TrimSpace(line) + "\n"
		}
		return trimmed
	}
	source, err := os.ReadFile("layers_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"data-layers.md", "data-layers.zh-CN.md"} {
		text, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(text), "```go\n")[1:]
		if len(blocks) != 6 {
			t.Errorf("%s has %d blocks of Go; want the row and five layers", page, len(blocks))
		}
		for _, block := range blocks {
			code, _, _ := strings.Cut(block, "```")
			if !strings.Contains(lines(string(source)), lines(code)) {
				t.Errorf("%s shows what is not tested:\n%s", page, code)
			}
		}
	}
}
