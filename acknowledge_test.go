package alirefund_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/internal/shoptest"
)

// loud is a compressor, as far as anybody can tell: it changes what passes.
type loud struct{ gin.ResponseWriter }

func (w *loud) Write(data []byte) (int, error) {
	return w.ResponseWriter.Write([]byte(strings.ToUpper(string(data))))
}

func (w *loud) WriteString(text string) (int, error) { return w.Write([]byte(text)) }

// quiet changes nothing.
type quiet struct{ gin.ResponseWriter }

// wrapped is Gin's writer under a name that no other middleware uses.
type wrapped struct{ alias }

type alias = interface{ gin.ResponseWriter }

// TestAcknowledgementPastACompressor is about any that announces itself;
// internal/conformance/host has a real one.
func TestAcknowledgementPastACompressor(t *testing.T) {
	s := shoptest.NewShop(t)
	for _, c := range []struct {
		name, encoding string
		wrap           func(gin.ResponseWriter) gin.ResponseWriter
		want, says     string
	}{
		{"one", "loud", func(w gin.ResponseWriter) gin.ResponseWriter { return &loud{w} }, "success", ""},
		{"one among others", "loud", func(w gin.ResponseWriter) gin.ResponseWriter { return &quiet{&loud{&quiet{w}}} }, "success", ""},
		{"one that does not say so", "", func(w gin.ResponseWriter) gin.ResponseWriter { return &loud{w} }, "SUCCESS!", ""},
		{"one of an unknown kind", "loud", func(w gin.ResponseWriter) gin.ResponseWriter { return wrapped{&loud{w}} }, "SUCCESS!", "loud"},
	} {
		r := gin.New()
		s.Module.MountNotify(r.Group("/alipay", func(g *gin.Context) {
			below := g.Writer
			if c.encoding != "" {
				g.Header("Content-Encoding", c.encoding)
			}
			g.Writer = c.wrap(below)
			g.Next()
			_, _ = below.WriteString("!") // its end
		}))
		server := httptest.NewServer(r)
		response, err := server.Client().Post(server.URL+"/alipay/notify", "application/x-www-form-urlencoded", strings.NewReader(s.Payment()))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || string(text) != c.want || response.Header.Get("Content-Encoding") != c.says {
			t.Errorf("%s: %s %q %q, %v", c.name, response.Status, text, response.Header.Get("Content-Encoding"), err)
		}
		_ = response.Body.Close()
		server.Close()
	}
}
