package alirefund

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/gin-gonic/gin"
)

// success is what Alipay takes as an acknowledgement: these seven bytes.
const success = "success"

// acknowledge answers with success, past a middleware that would compress it: nobody
// knows whether Alipay decompresses what it takes for those seven bytes. Over HTTP/2 a
// compressor that writes at its end would break the answer, which stays as it is there.
func acknowledge(c *gin.Context) {
	c.Abort()
	if plain := uncompressed(c.Writer); plain != nil && c.Request.ProtoMajor == 1 {
		defer func(w gin.ResponseWriter) { c.Writer = w }(c.Writer)
		c.Writer = plain
		c.Writer.Header().Del("Content-Encoding")
		// Beyond this, net/http drops what a compressor writes at its end, and then ends
		// the connection, which the other side must know.
		c.Header("Content-Length", strconv.Itoa(len(success)))
		c.Header("Connection", "close")
	}
	c.String(http.StatusOK, success)
}

// uncompressed returns Gin's own writer below those of the middleware, where one of them
// has announced that it encodes the answer, as Gin's compressors do before they call the
// next handler; nil where none has, or where Gin's own is not to be found: the
// announcement is then left to be true. Gin has no call for it, but middleware embeds
// [gin.ResponseWriter], a field whose name is the same in all.
func uncompressed(w gin.ResponseWriter) gin.ResponseWriter {
	if w.Written() || w.Header().Get("Content-Encoding") == "" {
		return nil
	}
	for {
		v := reflect.Indirect(reflect.ValueOf(w))
		if v.Kind() != reflect.Struct {
			return nil
		}
		field := v.FieldByName("ResponseWriter")
		if !field.IsValid() || field.Type() != reflect.TypeFor[gin.ResponseWriter]() {
			if v.Type().PkgPath() == reflect.TypeFor[gin.Context]().PkgPath() {
				return w
			}
			return nil
		}
		below, ok := reflect.TypeAssert[gin.ResponseWriter](field)
		if !ok {
			return nil
		}
		w = below
	}
}
