//go:build !cgo

package vault_test

import "testing"

func TestRefundSignedByAToken(t *testing.T) {
	missing(t, "the token's driver wants cgo, which wants a C compiler")
}
