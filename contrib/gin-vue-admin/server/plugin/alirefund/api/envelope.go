// Package api is between the module's routes and gin-vue-admin's pages.
package api

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"

	"github.com/flipped-aurora/gin-vue-admin/server/utils"
)

// The codes of gin-vue-admin's envelope.
const (
	fine   = 0
	failed = 7
)

// Actor is the module's guard, behind gin-vue-admin's: who is logged in stands in the
// refund's record.
func Actor(c *gin.Context) {
	name := utils.GetUserName(c)
	if name == "" {
		c.AbortWithStatusJSON(http.StatusForbidden, gin.H{"detail": "未登录"})
		return
	}
	alirefund.SetActor(c, name)
	alirefund.GrantApproval(c) // by the roles, each of which may call it or not
}

// Envelope lets the routes behind it answer as gin-vue-admin's pages want it: status 200
// and {code, data, msg}. data is what the module answered, a problem too; status is the
// module's own, of which 202 says that nobody knows yet whether the money moved.
func Envelope(c *gin.Context) {
	w := &letter{ResponseWriter: c.Writer}
	func() {
		c.Writer = w
		defer func() { c.Writer = w.ResponseWriter }() // a panic is answered without an envelope
		c.Next()
	}()
	answer := gin.H{"code": fine, "msg": "", "data": json.RawMessage(w.text.Bytes()), "status": w.Status()}
	if !json.Valid(w.text.Bytes()) {
		answer["data"] = nil
	}
	if w.Status() >= http.StatusBadRequest {
		var problem struct{ Title, Detail string }
		_ = json.Unmarshal(w.text.Bytes(), &problem)
		answer["code"], answer["msg"] = failed, or(problem.Detail, problem.Title, http.StatusText(w.Status()))
	}
	c.Writer.Header().Del("Content-Type")
	c.PureJSON(http.StatusOK, answer)
}

func or(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// letter keeps what the routes answer.
type letter struct {
	gin.ResponseWriter
	status int
	text   bytes.Buffer
}

func (w *letter) WriteHeader(status int)               { w.status = status }
func (w *letter) WriteHeaderNow()                      {}
func (w *letter) Write(data []byte) (int, error)       { return w.text.Write(data) }
func (w *letter) WriteString(text string) (int, error) { return w.text.WriteString(text) }
func (w *letter) Flush()                               {}
func (w *letter) Written() bool                        { return w.text.Len() > 0 }
func (w *letter) Size() int                            { return w.text.Len() }

func (w *letter) Status() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
