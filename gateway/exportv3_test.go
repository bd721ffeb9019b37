package gateway

import (
	"context"
	"net/http"
)

// OpenV3 is Open for an answer by version 3.
func (c *Client) OpenV3(method string, status int, header http.Header, body []byte) (Reply, error) {
	return c.openV3(context.Background(), Reply{Method: method}, exchanged{status: status, header: header, body: body})
}
