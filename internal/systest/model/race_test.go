//go:build race

package model_test

// The race detector makes this ten times slower, and wants no more of it.
func init() { *modelForgets = false }
