//go:build race

package alirefund_test

// The race detector makes all this ten times slower, and wants no more of it.
func init() { *modelSends, *chaosRefunds = 1, 200 }
