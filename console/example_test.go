package console_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/console"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// The guard names who looks, and who may also act.
func ExampleMount() {
	alipay := alipaytest.New(alipaytest.Config{})
	sign, _ := signer.FromPEM(alipay.AppPrivateKey())
	verify, _ := signer.VerifierFromPEM(alipay.AlipayPublicKey())
	m, err := alirefund.New(alirefund.Config{
		App:   alirefund.App{ID: alipay.AppID(), Signer: sign, Verifier: verify},
		Store: store.NewMemory(), Gateway: alipaytest.GatewayURL, HTTPClient: alipay.HTTPClient(),
	})
	if err != nil {
		panic(err)
	}
	r := gin.New()
	console.Mount(m, r.Group("/ops"), func(c *gin.Context) {
		name, _, ok := c.Request.BasicAuth() // your own login
		if !ok {
			c.AbortWithStatus(http.StatusUnauthorized)
			return
		}
		alirefund.SetActor(c, name)
		if name == "lin" {
			console.Grant(c) // who may ask Alipay, deliver again, and decide
		}
	})

	for _, name := range []string{"", "lin"} {
		request := httptest.NewRequest(http.MethodGet, "/ops/", nil)
		if name != "" {
			request.SetBasicAuth(name, "password")
		}
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, request)
		fmt.Println(answer.Code, strings.Contains(answer.Body.String(), "<html"))
	}
	// Output:
	// 401 false
	// 200 true
}
