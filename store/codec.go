package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// documentVersion is the version of the documents that Encode writes. It rises when
// a document gets a field that an older process must not drop.
const documentVersion = 1

// ErrNewerDocument: a newer version of this module wrote the document. This process
// would drop what it does not know; upgrade it.
var ErrNewerDocument = errors.New("store: the refund's document was written by a newer version of this module: upgrade this process")

// document is a whole refund as JSON: also what a refund's own JSON, which is for
// people, does not show.
type document struct {
	Version int `json:"v"`
	Refund
	OrderID          string     `json:"order_id"`
	Request          string     `json:"request,omitempty"` // as a text, byte for byte
	Answer           string     `json:"alipay,omitempty"`
	Answered         bool       `json:"answered,omitempty"`
	Doubtful         bool       `json:"doubtful,omitempty"`
	RefusedRetryable bool       `json:"refused_retryable,omitempty"`
	Lease            Lease      `json:"lease,omitzero"`
	Deliveries       []delivery `json:"deliveries,omitempty"`
}

type delivery struct {
	Delivery
	Lease Lease `json:"lease,omitzero"`
}

// Encode returns the document that a store keeps of a refund: all of it, unlike
// json.Marshal, whose result is for people and lacks what the rules of money need.
// It fails only for a Request or Answer that cannot be in a text.
func Encode(r Refund) ([]byte, error) {
	d := document{
		Version: documentVersion,
		Refund:  r, OrderID: r.OrderID, Request: string(r.Request), Answer: string(r.Answer),
		Answered: r.Answered, Doubtful: r.Doubtful, RefusedRetryable: r.RefusedRetryable, Lease: r.Lease,
	}
	for _, v := range r.Deliveries {
		d.Deliveries = append(d.Deliveries, delivery{v, v.Lease})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("store: encode: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Decode reads what Encode wrote, in this version or an earlier one. It fails with
// [ErrNewerDocument] for a later one, and for a document with a field that it does
// not know, because whoever wrote the refund back would drop it.
func Decode(doc []byte) (Refund, error) {
	var d document
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&d)
	if err == nil && len(bytes.TrimSpace(doc[decoder.InputOffset():])) > 0 {
		err = errors.New("there is more behind it")
	}
	if err != nil { // a later version may have any other form
		var written struct {
			Version int `json:"v"`
		}
		if json.Unmarshal(doc, &written) == nil {
			d.Version = written.Version
		}
	}
	switch {
	case d.Version > documentVersion:
		return Refund{}, fmt.Errorf("%w: its version is %d, the latest known here %d", ErrNewerDocument, d.Version, documentVersion)
	case err != nil:
		return Refund{}, fmt.Errorf("store: decode: %w", err)
	}
	r := d.Refund
	r.OrderID, r.Request, r.Answer = d.OrderID, JSON(d.Request), JSON(d.Answer)
	r.Answered, r.Doubtful, r.RefusedRetryable, r.Lease = d.Answered, d.Doubtful, d.RefusedRetryable, d.Lease
	for _, v := range d.Deliveries {
		v.Delivery.Lease = v.Lease
		r.Deliveries = append(r.Deliveries, v.Delivery)
	}
	return r, nil
}
