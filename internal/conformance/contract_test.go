package conformance

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
	"github.com/alirefund/alirefund/store/storetest"
)

func TestContract(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel() // with the other engines: most of it is waiting
			e.keepsTheContract(t, 16)
		})
	}
}

// Two processes that take turns see each other's work in every step, and go by the
// database's clock, however their own are set.
func TestContractByTurns(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) store.Store {
				d := e.open(t).migrate(t)
				return &turns{stores: [2]*sqlstore.Store{d.store(t, d.DB, ahead(10*time.Minute)), d.store(t, d.connect(t), ahead(-10*time.Minute))}}
			})
		})
	}
}

// ahead is the clock of a process that is set wrong.
func ahead(d time.Duration) sqlstore.Option {
	return sqlstore.ProcessClock(func() time.Time { return time.Now().Add(d) })
}

// However the host has set its database up.
func TestContractInOtherSettings(t *testing.T) {
	if testing.Short() {
		t.Skip("each setting takes some seconds")
	}
	sqlite, postgres, mysql := engines[0], engines[1], engines[2]
	with := func(e engine, parameters string) engine {
		dsn := e.dsn
		e.dsn = func(dir string) string { return withParameters(dsn(dir), parameters) }
		return e
	}
	for _, test := range []struct {
		name        string
		engine      engine
		connections int
	}{
		{"SQLite, no pragmas", engine{"SQLite", sqlite.dialect, sqlite.driver, inFile(""), sqlite.explain}, 16},
		{"SQLite, one connection in memory", engine{"SQLite", sqlite.dialect, sqlite.driver, func(string) string { return ":memory:" }, sqlite.explain}, 1},
		{"PostgreSQL, repeatable read", with(postgres, "default_transaction_isolation=repeatable%20read"), 16},
		{"PostgreSQL, serializable", with(postgres, "default_transaction_isolation=serializable"), 16},
		{"MySQL, read committed", with(mysql, "tx_isolation=%27READ-COMMITTED%27"), 16},
		{"MySQL, serializable, another character set", with(mysql, "tx_isolation=%27SERIALIZABLE%27&charset=latin1&clientFoundRows=true&interpolateParams=true"), 16},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.engine.keepsTheContract(t, test.connections)
		})
	}
}

func (e engine) keepsTheContract(t *testing.T, connections int) {
	storetest.Run(t, func(t *testing.T) store.Store {
		d := e.open(t)
		d.SetMaxOpenConns(connections)
		d.migrate(t)
		return d.store(t, d.DB)
	})
}

// A row that a newer version of the module wrote is named, and holds up no other.
func TestDueBesideARowOfANewerVersion(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		s := d.migrate(t).store(t, d.DB)
		const app = "2021"
		var ids []string
		for n := range 2 {
			r := store.Refund{Kind: store.Trade, App: app, OutTradeNo: "T", OutRequestNo: fmt.Sprint(n), Amount: 1_00, Origin: store.FromNotice, State: store.Succeeded}
			opened, _, err := s.Open(t.Context(), r.Identify(), store.Limit{}, nil) // undelivered, and so due at once
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, opened.ID)
		}
		d.exec(t, `UPDATE {t}refunds SET doc = '{"v":99,"id":"x"}' WHERE id = '`+ids[0]+"'")
		due, err := s.Due(t.Context(), app, time.Minute, 10, false)
		if len(due) != 1 || due[0].ID != ids[1] || !errors.Is(err, store.ErrNewerDocument) || !strings.Contains(err.Error(), ids[0]) {
			t.Errorf("%d are due, %v", len(due), err)
		}
		if due, err = s.Due(t.Context(), app, time.Minute, 10, false); len(due) != 0 || err != nil {
			t.Errorf("then %d are due, %v: it was not put off", len(due), err)
		}
		if _, err := s.Get(t.Context(), ids[0]); !errors.Is(err, store.ErrNewerDocument) {
			t.Errorf("it is read with %v", err)
		}
	})
}
