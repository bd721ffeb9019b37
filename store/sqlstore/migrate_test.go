package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store/sqlstore"
)

// busyOnce is a database whose first connection finds it locked.
type busyOnce struct{ tries int }

var errNoDatabase = errors.New("there is no database")

func (b *busyOnce) Connect(context.Context) (driver.Conn, error) {
	if b.tries++; b.tries == 1 {
		return nil, errors.New("database is locked (5) (SQLITE_BUSY)")
	}
	return nil, errNoDatabase
}

func (b *busyOnce) Driver() driver.Driver { return nil }

// A database that is busy when Migrate connects is connected to again.
func TestMigrateConnectsAgain(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	b := &busyOnce{}
	if err := sqlstore.Migrate(ctx, sql.OpenDB(b), sqlstore.SQLite); !errors.Is(err, errNoDatabase) || b.tries != 2 {
		t.Errorf("after %d connections: %v", b.tries, err)
	}
}
