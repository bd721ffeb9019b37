package gateway

import (
	"context"
	"net/http"
	"time"
)

// What the tests of this package reach into.

// Cut returns the raw response node and signature of an answer.
func Cut(answer []byte, method string) (node, sign []byte, err error) {
	e, err := cut(answer, method)
	return e.node, e.sign, err
}

// TextOf returns what stands in a JSON string.
func TextOf(raw []byte) string { return text(raw) }

func AppendEscaped(dst []byte, text string) []byte { return appendEscaped(dst, text) }

func (c *Client) Encode(method string, content []byte, o Options, now time.Time) (query, form string, err error) {
	return c.encode(method, content, o, now)
}

func (c *Client) Open(method string, answer []byte) (Reply, error) {
	return c.open(context.Background(), Reply{Method: method}, answer)
}

// OpenV3 is Open for an answer by version 3.
func (c *Client) OpenV3(method string, status int, header http.Header, body []byte) (Reply, error) {
	return c.openV3(context.Background(), Reply{Method: method}, exchanged{status: status, header: header, body: body})
}

func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }
