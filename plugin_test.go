package alirefund_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// Plugin is what gin-vue-admin's plugin interface asks for.
type plugin interface {
	Register(group *gin.RouterGroup)
	RouterPath() string
}

func TestPlugins(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	r := gin.New()
	for _, p := range []plugin{
		s.Module.RefundPlugin("staff", func(c *gin.Context) { alirefund.SetActor(c, "gva") }),
		s.Module.NotifyPlugin("public"),
	} {
		p.Register(r.Group(p.RouterPath()))
	}
	var routes []string
	for _, route := range r.Routes() {
		routes = append(routes, route.Method+" "+route.Path)
	}
	slices.Sort(routes)
	want := []string{"GET /staff/refunds", "GET /staff/refunds/:id", "POST /public/gateway", "POST /public/notify", "POST /staff/coupon-refunds", "POST /staff/refunds", "POST /staff/unfreezes"}
	if !slices.Equal(routes, want) {
		t.Errorf("routes %q", routes)
	}
	s.Router = r
	if got := s.Do(http.MethodPost, "/staff/refunds", shoptest.Partly); got.Status != 200 {
		t.Errorf("%d %s", got.Status, got.Text)
	}
}
