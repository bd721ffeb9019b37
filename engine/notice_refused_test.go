package engine_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// Anybody can post forged notifications: they fill no log, and hide no other line.
func TestForgedNotificationsFillNoLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log shoptest.Log
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.Logger, c.OnNotification = slog.New(slog.NewTextHandler(&log, nil)), nil
		})
		lines := func(want ...string) {
			t.Helper()
			synctest.Wait() // for the line that a timer writes
			found := log.Lines("acknowledged")
			log.Reset()
			if len(found) != len(want) {
				t.Fatalf("%d lines, want %d:\n%s", len(found), len(want), strings.Join(found, ""))
			}
			for i, words := range want {
				if !strings.Contains(found[i], words) {
					t.Errorf("%s does not say %s", found[i], words)
				}
			}
		}
		s.Notice("sign=AAAA&sign_type=RSA2")
		lines("count=1 error=\"notify: the signature does not match")
		for range 1000 {
			s.Notice("sign=AAAA&sign_type=RSA2")
		}
		s.Notice("%zz")
		time.Sleep(59 * time.Second)
		lines()
		s.Notice(s.Payment()) // genuine, and nobody handles it
		lines("error=\"alirefund: nobody handles this notification")
		time.Sleep(2 * time.Second)
		lines("count=1001 error=\"notify: malformed body")
		time.Sleep(time.Hour)
		lines()
		s.Notice("")
		lines("count=1 ")
		if n := s.Module.RefusedNotifications(); n != 1003 {
			t.Errorf("%d were counted", n)
		}
	})
}
