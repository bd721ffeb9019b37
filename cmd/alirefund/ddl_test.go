package main

import (
	"strings"
	"testing"

	"github.com/alirefund/alirefund/store/sqlstore"
)

// What it makes is tried on the databases in internal/conformance.
func TestDDLIsPrinted(t *testing.T) {
	t.Parallel()
	for name, dialect := range map[string]sqlstore.Dialect{"sqlite": sqlstore.SQLite, "postgresql": sqlstore.PostgreSQL, "mysql": sqlstore.MySQL} {
		want, err := sqlstore.DDL(dialect, sqlstore.Prefix("r_"))
		if err != nil {
			t.Fatal(err)
		}
		if code, out, errs := alirefund(t, "", "ddl", "-dialect", name, "-prefix", "r_"); code != 0 || out != want || !strings.Contains(out, "r_refunds") {
			t.Errorf("%s: exit code %d, %q, %q", name, code, out, errs)
		}
	}
	if code, out, errs := alirefund(t, "", "ddl", "-dialect", "mysql", "-schema", "pay"); code != 0 || !strings.Contains(out, "`pay`.alirefund_refunds") {
		t.Errorf("with a schema: exit code %d, %q, %q", code, out, errs)
	}
}

func TestDDLOfWrongFlags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want string
		args []string
	}{
		{"-dialect is required", nil},
		{"none of sqlite", []string{"-dialect", "oracle"}},
		{"unexpected", []string{"-dialect", "mysql", "more"}},
		{"prefix", []string{"-dialect", "mysql", "-prefix", "a b"}},
		{"schemas", []string{"-dialect", "sqlite", "-schema", "main"}},
	} {
		if code, out, errs := alirefund(t, "", append([]string{"ddl"}, test.args...)...); code != exitUsage || out != "" || !strings.Contains(errs, test.want) {
			t.Errorf("%v: exit code %d, %q, %q; want %q", test.args, code, out, errs, test.want)
		}
	}
}
