package main

import (
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// No connection is waited for without a limit: 5 s, or what -store says.
func TestConnectTimeout(t *testing.T) {
	for _, test := range []struct {
		store string
		want  time.Duration
	}{
		{"postgres://shop@db/shop", connectTimeout},
		{"postgres://shop@db/shop?connect_timeout=2", 2 * time.Second},
		{"mysql://shop@db/shop", connectTimeout},
		{"mysql://shop@db/shop?timeout=2s", 2 * time.Second},
	} {
		var got time.Duration
		if strings.HasPrefix(test.store, "mysql:") {
			dsn, err := mysqlDSN(test.store)
			if err != nil {
				t.Fatal(err)
			}
			c, err := mysql.ParseDSN(dsn)
			if err != nil {
				t.Fatal(err)
			}
			got = c.Timeout
		} else {
			c, err := postgresConfig(test.store)
			if err != nil {
				t.Fatal(err)
			}
			got = c.ConnectTimeout
		}
		if got != test.want {
			t.Errorf("%s: %v, want %v", test.store, got, test.want)
		}
	}
}
