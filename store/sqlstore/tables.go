package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Option changes where the tables are, or whose clock is read.
type Option func(*tables)

// Prefix begins the tables' names; [DefaultPrefix] unless told otherwise. It is
// of lower-case letters, digits and _, at most 32.
func Prefix(prefix string) Option { return func(t *tables) { t.prefix = prefix } }

// DefaultPrefix is what the tables' names begin with.
const DefaultPrefix = "alirefund_"

// Schema is the schema of the tables on PostgreSQL, or the database on MySQL. It
// must exist. Without it they are where the connection looks first. SQLite has
// none.
func Schema(schema string) Option { return func(t *tables) { t.schema = schema } }

// ProcessClock stands in for [time.Now], for tests. The store takes of it only how
// much time has passed; what time it is, the database says.
func ProcessClock(now func() time.Time) Option { return func(t *tables) { t.process = now } }

// tables is where they are, and how that is said.
type tables struct {
	prefix, schema string
	dialect        dialect
	names          *strings.Replacer
	process        func() time.Time
}

// openTables is newTables, and wants a database.
func openTables(db *sql.DB, d Dialect, options []Option) (tables, error) {
	t, err := newTables(d, options)
	if err == nil && db == nil {
		err = errors.New("sqlstore: no database")
	}
	return t, err
}

func newTables(d Dialect, options []Option) (tables, error) {
	t := tables{prefix: DefaultPrefix, process: time.Now}
	for _, option := range options {
		option(&t)
	}
	var known bool
	if t.dialect, known = dialects[d]; !known {
		return t, fmt.Errorf("sqlstore: %d is none of the dialects SQLite, PostgreSQL, MySQL", d)
	}
	quote := t.dialect.quote
	switch {
	case !plainName.MatchString(t.prefix):
		return t, fmt.Errorf("sqlstore: the prefix %q is not of lower-case letters, digits and _, at most 32", t.prefix)
	case t.schema != "" && d == SQLite:
		return t, errors.New("sqlstore: SQLite has no schemas")
	case strings.ContainsAny(t.schema, "\x00"+quote):
		return t, fmt.Errorf("sqlstore: the schema's name %q", t.schema)
	}
	begin := t.prefix
	if t.schema != "" {
		begin = quote + t.schema + quote + "." + t.prefix
	}
	t.names = strings.NewReplacer(
		"{refunds}", begin+"refunds", "{orders}", begin+"orders", "{claims}", begin+"claims", "{version}", begin+"version",
		"{index}", t.prefix+"refunds", "{claims index}", t.prefix+"claims",
		"{text}", t.dialect.text, "{doc}", t.dialect.doc, "{small}", t.dialect.small,
		"{lock}", strconv.FormatInt(lockID(begin), 10),
		"{ensure}", t.dialect.ensure, "{insert}", t.dialect.insert, "{or nothing}", t.dialect.orNothing, "{skip locked}", t.dialect.skipLocked,
	)
	return t, nil
}

// text is a query as the database takes it.
func (t *tables) text(query string) string {
	query = t.names.Replace(query)
	if !t.dialect.numbered {
		return query
	}
	parts := strings.Split(query, "?") // which stands nowhere else in this package's SQL
	var b strings.Builder
	for n, part := range parts {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
	}
	return b.String()
}

// lockID names a migration among all that lock the database.
func lockID(tables string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("alirefund " + tables)) // never fails
	return int64(h.Sum64())                       //nolint:gosec // a hash
}

func (t *tables) transient(err error) bool {
	return is(err, t.dialect.again) || is(err, t.dialect.taken)
}

func (t *tables) missing(err error) bool { return is(err, t.dialect.missing) }

// querier is a *sql.DB, *sql.Conn or *sql.Tx.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// errConflict: what was decided on has changed since it was read.
var errConflict = errors.New("somebody else keeps changing it")

// notWritten marks an error before which nothing was written.
func notWritten(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", store.ErrNotWritten, err)
}

// retry calls try until it fails with nothing that a repetition may heal, or ctx
// ends. What fails with such an error has changed nothing.
func (t *tables) retry(ctx context.Context, what string, try func() error) error {
	for tries := 1; ; tries++ {
		err := try()
		switch {
		case err == nil || errors.Is(err, store.ErrNotFound):
			return err
		case errors.Is(err, store.ErrTaken):
			return store.ErrTaken
		case !errors.Is(err, errConflict) && !t.transient(err):
			return fmt.Errorf("sqlstore: %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("sqlstore: %s: %w: %w", what, ctx.Err(), err)
		case <-time.After(store.Backoff(tries, time.Millisecond, 100*time.Millisecond)):
		}
	}
}

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,31}$`)
