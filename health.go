package alirefund

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// Ready answers a readiness probe: 200, or 503 where another process should get the
// requests, which is the case only after [Module.Drain], and while this process does not
// reach its store. The body is [Module.Health] as JSON, without keys, merchants and
// refunds, but with how many there are: mount it where only the balancer and people of
// the shop come.
//
//	r.GET("/readyz", m.Ready)
//
// It answers within two seconds, and costs the store one look a second at the most,
// however often it is asked.
func (m *Module) Ready(c *gin.Context) {
	h := m.Health(c.Request.Context())
	status := http.StatusOK
	if !h.Ready {
		status = http.StatusServiceUnavailable
	}
	c.Header("Cache-Control", "no-store")
	c.PureJSON(status, viewOfHealth(h))
}

// healthView is a Health as the probe reads it. Durations are in seconds.
type healthView struct {
	Ready    bool               `json:"ready"`
	NotReady string             `json:"not_ready,omitempty"`
	Problems []healthProblem    `json:"problems"`
	Store    healthStore        `json:"store"`
	Backlog  *healthBacklog     `json:"backlog,omitempty"`
	Run      healthRun          `json:"run"`
	Alipay   healthAlipay       `json:"alipay"`
	Ends     healthCertificates `json:"certificates,omitzero"`
}

type healthProblem struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

type healthStore struct {
	Reachable bool    `json:"reachable"`
	Took      float64 `json:"took_seconds"`
	Ahead     float64 `json:"clock_ahead_seconds"`
}

type healthBacklog struct {
	Unresolved  int     `json:"unresolved"`
	Oldest      float64 `json:"oldest_seconds"`
	Undelivered int     `json:"undelivered"`
	Due         int     `json:"due"`
}

type healthRun struct {
	Going     bool      `json:"going"`
	LastRound time.Time `json:"last_round_at,omitzero"`
}

type healthAlipay struct {
	Verified time.Time `json:"answer_verified_at,omitzero"`
	Accepted time.Time `json:"signature_accepted_at,omitzero"`
	Ahead    *float64  `json:"clock_ahead_seconds,omitempty"`
}

type healthCertificates struct {
	Application time.Time `json:"application_ends_at,omitzero"`
	Alipay      time.Time `json:"alipay_ends_at,omitzero"`
}

func viewOfHealth(h Health) healthView {
	v := healthView{
		Ready: h.Ready, NotReady: h.NotReady, Problems: make([]healthProblem, len(h.Problems)),
		Store:  healthStore{h.StoreErr == nil, seconds(h.StoreTook), seconds(h.StoreAhead)},
		Run:    healthRun{h.Running, h.LastRound.UTC()},
		Alipay: healthAlipay{Verified: h.Verified.UTC(), Accepted: h.Accepted.UTC()},
		Ends:   healthCertificates{h.ApplicationEnds.UTC(), h.AlipayEnds.UTC()},
	}
	for n, p := range h.Problems {
		v.Problems[n] = healthProblem(p)
	}
	if b := h.Backlog; b != nil {
		v.Backlog = &healthBacklog{b.Unresolved, seconds(b.Age()), b.Undelivered, b.Due}
	}
	if !h.AlipayClock.IsZero() {
		ahead := seconds(h.AlipayAhead.Truncate(time.Second))
		v.Alipay.Ahead = &ahead
	}
	return v
}

// seconds is a duration to the millisecond.
func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
