package alirefund

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
)

// The same document in both languages, written by a test from the requests, the
// answers and the problems of this package.
var (
	//go:embed openapi.json
	openAPI []byte
	//go:embed openapi.zh-CN.json
	openAPIChinese []byte
)

// OpenAPI answers with an OpenAPI 3.1 document of the routes of [Module.MountRefunds]
// and [Module.MountNotify], in Chinese or English by Accept-Language. Its addresses
// are relative to its own: mount it beside them.
//
//	r.Group("/alipay").GET("/openapi.json", alirefund.OpenAPI)
//
// It names no key, no merchant and no refund, so that it needs no guard. What a
// host's guard and middleware answer themselves is not in it.
func OpenAPI(c *gin.Context) {
	document := openAPI
	if wantsChinese(c) {
		document = openAPIChinese
	}
	c.Header("Vary", "Accept-Language")
	c.Data(http.StatusOK, "application/json; charset=utf-8", document)
}
