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

// Certificates that end soon are logged when the module is made, then daily.
func TestExpiryIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log shoptest.Log
		s := shoptest.NewShopOf(t, shoptest.Modes["certificates"], func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		ends := s.Config.App.Verifier.Expires()
		if got := log.Lines("certificate"); len(got) != 0 {
			t.Errorf("too early: %v", got)
		}
		time.Sleep(time.Until(ends.Add(-29 * 24 * time.Hour)))
		s.Restart()
		if got := log.Lines("ends soon"); len(got) != 2 || !strings.Contains(got[0], "certificate=\"the application\"") || !strings.Contains(got[1], "certificate=Alipay") || !strings.Contains(got[1], "days=29") {
			t.Errorf("at New: %v", got)
		}
		stop := s.Run()
		time.Sleep(3*24*time.Hour + time.Minute)
		if got := log.Lines("ends soon"); len(got) != 2+3*2 {
			t.Errorf("after three days: %v", got)
		}
		stop()
		time.Sleep(time.Until(ends.Add(-time.Hour)))
		stop = s.Run()
		time.Sleep(25 * time.Hour)
		stop()
		if got := log.Lines("has ended"); len(got) == 0 || !strings.Contains(got[0], "level=ERROR") {
			t.Errorf("after the end: %v", got)
		}
		// In key mode nothing ends.
		before := len(log.Lines("certificate"))
		s.Config.App = shoptest.NewShop(t).Config.App
		s.Restart()
		if got := log.Lines("certificate"); len(got) != before {
			t.Errorf("in key mode: %v", got[before:])
		}
	})
}
