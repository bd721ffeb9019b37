//go:build race

package v3_test

// The tests that are run once more are run under the race detector, too.
func init() { childFlags = append(childFlags, "-race") }
