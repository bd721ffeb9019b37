package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/alirefund/alirefund/store/sqlstore"
)

const ddlHelp = `alirefund ddl -dialect sqlite|postgresql|mysql [-prefix PREFIX] [-schema SCHEMA]

Prints the SQL that makes store/sqlstore's tables on a database without them, for
whoever may run it there. The application then wants no right but to SELECT, INSERT,
UPDATE and DELETE; its sqlstore.Migrate and sqlstore.New take the same options.

Exit codes: 0 it is printed; 2 wrong flags.

`

func ddl(_ context.Context, args []string, std streams) (int, error) {
	flags := flag.NewFlagSet("ddl", flag.ContinueOnError)
	var dialect sqlstore.Dialect
	flags.Func("dialect", "`NAME`: sqlite, postgresql, or mysql for MariaDB as well (required)", func(name string) (err error) {
		dialect, err = dialectNamed(name)
		return err
	})
	prefix := flags.String("prefix", sqlstore.DefaultPrefix, "`PREFIX` that the tables' names begin with")
	schema := flags.String("schema", "", "`SCHEMA` of the tables on PostgreSQL, or the database on MySQL")
	if err := parse(flags, args, ddlHelp, std); err != nil {
		return 0, err
	}
	switch {
	case flags.NArg() > 0:
		return 0, fmt.Errorf("unexpected %q", flags.Arg(0))
	case dialect == 0:
		return 0, errors.New("-dialect is required (-h tells more)")
	}
	text, err := sqlstore.DDL(dialect, sqlstore.Prefix(*prefix), sqlstore.Schema(*schema))
	if err == nil {
		_, err = io.WriteString(std.out, text)
	}
	return 0, err
}

func dialectNamed(name string) (sqlstore.Dialect, error) {
	switch name {
	case "sqlite":
		return sqlstore.SQLite, nil
	case "postgresql":
		return sqlstore.PostgreSQL, nil
	case "mysql":
		return sqlstore.MySQL, nil
	}
	return 0, errors.New("it is none of sqlite, postgresql, mysql")
}
