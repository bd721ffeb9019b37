package engine_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// Certificates that end soon are logged when the module is made, then daily.
func TestExpiryIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		s := shoptest.NewShopOf(t, shoptest.Modes["certificates"], func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		ends := s.Config.App.Verifier.Expires()
		if got := log.of("certificate"); len(got) != 0 {
			t.Errorf("too early: %v", got)
		}
		time.Sleep(time.Until(ends.Add(-29 * 24 * time.Hour)))
		s.Restart()
		if got := log.of("ends soon"); len(got) != 2 || !strings.Contains(got[0], "certificate=\"the application\"") || !strings.Contains(got[1], "certificate=Alipay") || !strings.Contains(got[1], "days=29") {
			t.Errorf("at New: %v", got)
		}
		stop := s.Run()
		time.Sleep(3*24*time.Hour + time.Minute)
		if got := log.of("ends soon"); len(got) != 2+3*2 {
			t.Errorf("after three days: %v", got)
		}
		time.Sleep(27 * 24 * time.Hour)
		stop()
		if got := log.of("has ended"); len(got) == 0 || !strings.Contains(got[0], "level=ERROR") {
			t.Errorf("after the end: %v", got)
		}
		// In key mode nothing ends.
		before := len(log.of("certificate"))
		s.Config.App = shoptest.NewShop(t).Config.App
		s.Restart()
		if got := log.of("certificate"); len(got) != before {
			t.Errorf("in key mode: %v", got[before:])
		}
	})
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// of returns the lines that hold a word.
func (l *lines) of(word string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return found
}
