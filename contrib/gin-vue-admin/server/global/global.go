// Package global stands in for gin-vue-admin's of the same name, so that the plugin
// compiles: the names that the plugin uses, with their signatures. Do not copy it.
package global

import "database/sql"

// What gin-vue-admin has set before it registers plugins.
var (
	GVA_DB     *DB      //nolint:revive // its name
	GVA_CONFIG Server   //nolint:revive // its name
	GVA_VP     *Viper   //nolint:revive // its name
	GVA_LOG    = &Log{} //nolint:revive // its name
)

// DB stands in for gorm.DB.
type DB struct{ Pool *sql.DB }

// DB returns the pool.
func (d *DB) DB() (*sql.DB, error) { return d.Pool, nil }

// Server is the configuration.
type Server struct{ System System }

// System is a part of it. DbType is mysql, pgsql, sqlite and others.
type System struct{ DbType, RouterPrefix string }

// Viper stands in for viper.Viper.
type Viper struct {
	Unmarshal func(key string, into any) error
}

// UnmarshalKey reads a part of config.yaml.
func (v *Viper) UnmarshalKey(key string, into any) error { return v.Unmarshal(key, into) }

// Log stands in for zap.Logger.
type Log struct{ Lines []string }

// Error writes a line.
func (l *Log) Error(line string, _ ...any) { l.Lines = append(l.Lines, line) }
