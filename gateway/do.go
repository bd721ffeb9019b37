package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/alirefund/alirefund/internal/rawjson"
)

// Do calls method with biz as its biz_content: a value for encoding/json, or a
// json.RawMessage that is sent byte for byte. It returns no error if and only
// if the gateway's signed answer has code 10000, which says that the call was
// made and nothing about money.
//
// It fails with [ErrNotSent] if nothing left this machine, with [ErrNoAnswer]
// if the request may have arrived and no usable answer did, with
// [ErrUnverified] if the answer's signature is missing or wrong, and with an
// [*Error] if Alipay refused. An unsigned refusal is both of the last two. The
// Reply holds whatever is known in each case.
func (c *Client) Do(ctx context.Context, method string, biz any, o Options) (Reply, error) {
	reply, err := c.do(ctx, method, biz, o)
	c.seen.called(reply, err)
	return reply, err
}

// Seen returns what the client last saw of Alipay.
func (c *Client) Seen() Seen { return c.seen.now() }

func (c *Client) do(ctx context.Context, method string, biz any, o Options) (Reply, error) {
	reply := Reply{Method: method}
	content, ok := biz.(json.RawMessage)
	if !ok {
		var err error
		if content, err = json.Marshal(biz); err != nil {
			return reply, fmt.Errorf("gateway: %s: %w: biz_content: %w", method, ErrNotSent, err)
		}
	}
	if path := c.v3Path(method, o); path != "" {
		return c.doV3(ctx, reply, path, content, o)
	}
	query, form, err := c.encode(method, content, o, time.Now())
	if err != nil {
		return reply, fmt.Errorf("gateway: %s: %w: %w", method, ErrNotSent, err)
	}
	if err := ctx.Err(); err != nil {
		return reply, fmt.Errorf("gateway: %s: %w: %w", method, ErrNotSent, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, trace, err := c.post(ctx, query, form, o.Leave)
	reply.TraceID = trace
	if err != nil {
		return reply, fmt.Errorf("gateway: %s: %w", method, err)
	}
	return c.open(ctx, reply, answer)
}

// open verifies an answer and reads its head.
func (c *Client) open(ctx context.Context, reply Reply, answer []byte) (Reply, error) {
	e, err := cut(answer, reply.Method)
	if err != nil {
		return reply, fmt.Errorf("gateway: %s: %w: %w", reply.Method, ErrNoAnswer, err)
	}
	if sign := text(e.sign); sign != "" {
		reply.Signed = c.verify(ctx, text(e.certificate), e.node, sign)
	}
	node, err := c.object(e.node, reply.Signed)
	if err != nil {
		return reply, fmt.Errorf("gateway: %s: %w", reply.Method, err)
	}
	if reply.Signed {
		reply.Node = node
	}
	// The code of an unsigned answer is read to be shown. It proves nothing.
	_, _ = rawjson.Fields(node, func(key, value []byte) {
		switch string(key) {
		case "code":
			reply.Code = printable(text(value))
		case "msg":
			reply.Msg = printable(text(value))
		case "sub_code":
			reply.SubCode = printable(text(value))
		case "sub_msg":
			reply.SubMsg = printable(withoutEcho(text(value)))
		}
	})
	// Alipay's own SDKs, too, take no success that names no certificate.
	if reply.Code == "10000" && text(e.certificate) == "" && c.verifier.RootSN() != "" {
		reply.Signed, reply.Node = false, nil
	}
	switch {
	case reply.Code == "10000" && reply.Signed:
		return reply, nil
	case reply.Code == "10000" || reply.Code == "":
		if reply.Signed {
			return reply, fmt.Errorf("gateway: %s: %w: it has no code", reply.Method, ErrNoAnswer)
		}
		return reply, fmt.Errorf("gateway: %s: %w", reply.Method, ErrUnverified)
	}
	return reply, &Error{
		Method: reply.Method, Code: reply.Code, Msg: reply.Msg, SubCode: reply.SubCode, SubMsg: reply.SubMsg,
		TraceID: reply.TraceID, Signed: reply.Signed,
	}
}
