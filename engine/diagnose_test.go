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

// Why a notice does not verify is named in the log: once per cause a day, at
// most once a second, and without a word of its body.
func TestCauseOfAFailedNoticeIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log shoptest.Log
		s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		genuine := s.Alipay.SignedNotice(map[string]string{
			"app_id": s.Alipay.AppID(), "notify_id": "1", "notify_type": "trade_status_sync", "trade_status": "TRADE_SUCCESS",
			"subject": "1+1", "buyer_logon_id": "buyer-secret", "notify_time": "2026-01-02 03:04:05",
		})
		plus, query, forged := strings.ReplaceAll(genuine, "%2B", "+"), genuine+"&utm_source=mail", strings.Replace(genuine, "TRADE_SUCCESS", "TRADE_CLOSED", 1)
		for _, step := range []struct {
			body string
			wait time.Duration
			want string
		}{
			{plus, 0, "cause=plus_as_space"},
			{query, 0, ""}, // too soon
			{plus, time.Second, ""},
			{query, time.Second, "cause=query_merged"},
			{forged, time.Second, "cause=unknown"},
			{forged, time.Second, ""},
			{forged, 24 * time.Hour, "cause=unknown"}, // a stranger's does not silence the log for ever
			{"sign=AAAA-secret&sign_type=RSA2", time.Second, ""},
			{"sign_type=RSA2&body=" + strings.Repeat("x", 20_000), time.Second, ""}, // nobody's notice
			{"app_id=" + s.Alipay.AppID() + "&notify_id=1&sign_type=RSA2", time.Second, "cause=missing_sign"},
		} {
			time.Sleep(step.wait)
			synctest.Wait() // for the line about refusals, which a timer writes
			log.Reset()
			if got := s.Notice(step.body); got.Status/100 != 4 {
				t.Errorf("%.40s: status %d", step.want, got.Status)
			}
			if text := log.String(); strings.Contains(text, "cause=") != (step.want != "") || !strings.Contains(text, step.want) {
				t.Errorf("want %q: %s", step.want, text)
			}
			if strings.Contains(log.String(), "secret") {
				t.Errorf("the log repeats the body: %s", log.String())
			}
		}
	})
}
