package alirefund_test

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/internal/shoptest"
)

// The module is a guest: Gin's mode, its validator and the defaults of net/http
// stay as the host set them.
func TestNoGlobalIsTouched(t *testing.T) {
	mode, transport := gin.Mode(), http.DefaultClient.Transport
	s := shoptest.NewShop(t)
	s.Trade()
	s.Refund(shoptest.Partly)
	if gin.Mode() != mode || http.DefaultClient.Transport != transport || http.DefaultClient.CheckRedirect != nil {
		t.Error("a global was changed")
	}
}
