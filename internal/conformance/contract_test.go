package conformance

import (
	"testing"

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

// Two processes that take turns see each other's work in every step.
func TestContractByTurns(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) store.Store {
				d := e.open(t).migrate(t)
				return &turns{stores: [2]*sqlstore.Store{d.store(t, d.DB), d.store(t, d.connect(t))}}
			})
		})
	}
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
