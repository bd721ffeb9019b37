//go:build !linux

package gateway

import (
	"syscall"
	"time"
)

// giveUpAfter has no such setting here.
func giveUpAfter(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
