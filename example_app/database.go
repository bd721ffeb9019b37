package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver sqlite

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
)

// database is an order book in the database that holds alirefund's ledger too,
// so that one transaction can write to both.
type database struct {
	*sql.DB
	dialect sqlstore.Dialect
}

// openTimeout bounds the opening of a database and the making of its tables.
const openTimeout = 30 * time.Second

// connectTimeout bounds the making of one connection, unless -store says otherwise. By
// itself the pool makes some without any limit: a few that are never answered would use
// it up.
const connectTimeout = 5 * time.Second

// openDatabase opens what -store names and makes the tables that are missing.
func openDatabase(ctx context.Context, name string) (*database, *sqlstore.Store, error) {
	d, err := connect(name)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err = sqlstore.Migrate(ctx, d.DB, d.dialect); err == nil {
		err = d.migrate(ctx)
	}
	var ledger *sqlstore.Store
	if err == nil {
		ledger, err = sqlstore.New(d.DB, d.dialect)
	}
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	return d, ledger, nil
}

// connect returns the database that -store names. What is wrong with it is said
// without repeating it, for it may hold a password.
func connect(name string) (*database, error) {
	d := &database{}
	var err error
	switch scheme, rest, _ := strings.Cut(name, ":"); {
	case scheme == "sqlite" && rest != "":
		d.dialect = sqlstore.SQLite
		d.DB, err = sql.Open("sqlite", sqliteDSN(rest))
	case scheme == "postgres" || scheme == "postgresql":
		d.dialect = sqlstore.PostgreSQL
		var c *pgx.ConnConfig
		if c, err = postgresConfig(name); err == nil {
			d.DB = stdlib.OpenDB(*c)
		}
	case scheme == "mysql":
		d.dialect = sqlstore.MySQL
		var dsn string
		if dsn, err = mysqlDSN(name); err == nil {
			d.DB, err = sql.Open("mysql", dsn)
		}
	default:
		return nil, errors.New("wants memory, sqlite:FILE, postgres://…, mysql://… or redis://…")
	}
	if err != nil {
		return nil, err
	}
	d.SetMaxOpenConns(16) // a server has room for about a hundred, of all that use it
	d.SetMaxIdleConns(16)
	return d, nil
}

// sqliteDSN asks for what sqlstore wants of SQLite: a write-ahead log, so that
// readers and the writer do not wait for each other; patience with other
// writers; and the lock at a transaction's beginning, for one that reads first
// and then wants it cannot wait.
func sqliteDSN(file string) string {
	return "file:" + (&url.URL{Path: file}).EscapedPath() + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_txlock=immediate"
}

func postgresConfig(name string) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(name)
	if err == nil && c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	return c, err
}

// mysqlDSN writes a URL in the form that the driver reads.
func mysqlDSN(text string) (string, error) {
	u, err := url.Parse(text)
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		err = wrong.Err // without the text
	}
	if err == nil && u.Host == "" {
		err = errors.New("wants the form mysql://user:password@host:3306/database")
	}
	if err != nil {
		return "", err
	}
	c, err := mysql.ParseDSN(fmt.Sprintf("tcp(%s)%s?%s", u.Host, u.Path, u.RawQuery))
	if err != nil {
		return "", err
	}
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.Timeout = cmp.Or(c.Timeout, connectTimeout)
	return c.FormatDSN(), nil
}

// migrate makes the shop's own tables. {text} holds numbers and compares bytes.
func (d *database) migrate(ctx context.Context) error {
	text := map[sqlstore.Dialect]string{
		sqlstore.SQLite: "TEXT", sqlstore.PostgreSQL: `TEXT COLLATE "C"`, sqlstore.MySQL: "VARBINARY(256)",
	}[d.dialect]
	for _, table := range []string{
		// kind and number are an order's or a red packet's; total is 0 if it is
		// not known. Amounts are fen.
		`CREATE TABLE IF NOT EXISTS shop_orders (kind {text} NOT NULL, number {text} NOT NULL, total BIGINT NOT NULL, PRIMARY KEY (kind, number))`,
		`CREATE TABLE IF NOT EXISTS shop_refunds (id {text} NOT NULL PRIMARY KEY, kind {text} NOT NULL, number {text} NOT NULL, out_request_no {text} NOT NULL, amount BIGINT NOT NULL)`,
	} {
		if _, err := d.ExecContext(ctx, strings.ReplaceAll(table, "{text}", text)); err != nil {
			return fmt.Errorf("the shop's tables: %w", err)
		}
	}
	return nil
}

func (d *database) add(ctx context.Context, kind store.Kind, number string, total money.Amount) error {
	return d.insert(ctx, d.DB, "shop_orders (kind, number, total) VALUES (?, ?, ?)", string(kind), number, int64(total))
}

func (d *database) total(ctx context.Context, kind store.Kind, number string) (money.Amount, bool, error) {
	var total int64
	err := d.QueryRowContext(ctx, d.sql("SELECT total FROM shop_orders WHERE kind = ? AND number = ?"), string(kind), number).Scan(&total)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return money.Amount(total), total != 0, err
}

// refund books a refund within a transaction of the ledger's, by tx alone. An
// order that was not known is from now on, without its total. A refund is booked
// once, even if it is told again on purpose.
func (d *database) refund(ctx context.Context, tx *sql.Tx, r store.Refund) error {
	err := d.insert(ctx, tx, "shop_orders (kind, number, total) VALUES (?, ?, 0)", string(r.Kind), r.Order())
	if err != nil {
		return err
	}
	return d.insert(ctx, tx, "shop_refunds (id, kind, number, out_request_no, amount) VALUES (?, ?, ?, ?, ?)",
		r.ID, string(r.Kind), r.Order(), r.OutRequestNo, int64(r.Amount))
}

func (d *database) list(ctx context.Context) ([]*order, error) {
	rows, err := d.QueryContext(ctx, `SELECT o.kind, o.number, o.total, r.id, r.out_request_no, r.amount
		FROM shop_orders o LEFT JOIN shop_refunds r ON r.kind = o.kind AND r.number = o.number
		ORDER BY o.kind, o.number`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err has said it
	all, last := []*order{}, orderKey{}
	for rows.Next() {
		var key orderKey
		var total int64
		var id, number sql.NullString
		var amount sql.NullInt64
		if err := rows.Scan(&key.kind, &key.number, &total, &id, &number, &amount); err != nil {
			return nil, err
		}
		if len(all) == 0 || key != last {
			all, last = append(all, newOrder(key.kind, key.number, money.Amount(total))), key
		}
		if id.Valid {
			all[len(all)-1].add(refundNumber(store.Refund{ID: id.String, OutRequestNo: number.String}), money.Amount(amount.Int64))
		}
	}
	return all, rows.Err()
}

// insert inserts a row unless there is one of its key.
func (d *database) insert(ctx context.Context, on interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, row string, values ...any,
) error {
	unlessThere := " ON CONFLICT DO NOTHING"
	if d.dialect == sqlstore.MySQL {
		unlessThere = " ON DUPLICATE KEY UPDATE number = number"
	}
	_, err := on.ExecContext(ctx, d.sql("INSERT INTO "+row+unlessThere), values...)
	return err
}

// sql numbers the parameters for PostgreSQL.
func (d *database) sql(query string) string {
	for n := 1; d.dialect == sqlstore.PostgreSQL && strings.Contains(query, "?"); n++ {
		query = strings.Replace(query, "?", "$"+strconv.Itoa(n), 1)
	}
	return query
}
