//go:build race

package chaos_test

// The race detector makes this ten times slower, and wants no more of it.
func init() { *chaosRefunds = 200 }
