// Package conformance runs the contracts against the real servers. It is a
// module of its own, so that no host inherits the drivers, and is never
// published: `make conformance` runs it.
//
// PostgreSQL and MySQL or MariaDB are expected at their usual ports of this
// machine; ALIREFUND_TEST_POSTGRES and ALIREFUND_TEST_MYSQL name others, as
// pgx's and go-sql-driver's data sources. Every test makes tables of its own and
// drops them.
package conformance
