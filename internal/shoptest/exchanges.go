package shoptest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
)

// RecordExchanges is the environment variable that names a folder. Every exchange of
// the shops' routes is then written into a file of this process in it, one line of
// JSON each, for tests that judge what the routes answer.
const RecordExchanges = "ALIREFUND_EXCHANGES"

// Exchange is a request to one of the module's routes, and what it answered.
type Exchange struct {
	Method, Route, URL string
	RequestHeader      http.Header
	Request            []byte // as far as it was read
	Status             int
	Header             http.Header
	Answer             []byte
}

var recording sync.Mutex

// record is a middleware that writes exchanges into a folder.
func record(folder string) gin.HandlerFunc {
	name := filepath.Join(folder, strconv.Itoa(os.Getpid())+".jsonl")
	return func(c *gin.Context) {
		asked, answered := &readBody{ReadCloser: c.Request.Body}, &writtenAnswer{ResponseWriter: c.Writer}
		c.Request.Body, c.Writer = asked, answered
		header := c.Request.Header.Clone()
		c.Next()
		line := Must(json.Marshal(Exchange{
			Method: c.Request.Method, Route: strings.TrimPrefix(c.FullPath(), "/alipay"), URL: c.Request.URL.String(),
			RequestHeader: header, Request: asked.read.Bytes(),
			Status: answered.Status(), Header: answered.Header().Clone(), Answer: answered.written.Bytes(),
		}))
		recording.Lock()
		defer recording.Unlock()
		file := Must(os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)) //nolint:gosec // whoever runs the tests names it
		_ = Must(file.Write(append(line, '\n')))
		Must(0, file.Close())
	}
}

type readBody struct {
	io.ReadCloser
	read bytes.Buffer
}

func (b *readBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Write(p[:n])
	return n, err
}

type writtenAnswer struct {
	gin.ResponseWriter
	written bytes.Buffer
}

// Unwrap is for http.ResponseController.
func (a *writtenAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *writtenAnswer) Write(p []byte) (int, error) {
	a.written.Write(p)
	return a.ResponseWriter.Write(p)
}

func (a *writtenAnswer) WriteString(text string) (int, error) {
	a.written.WriteString(text)
	return a.ResponseWriter.WriteString(text)
}
