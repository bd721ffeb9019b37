package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// BillQuery is the biz_content of alipay.data.dataservice.bill.downloadurl.query.
type BillQuery struct {
	BillType string `json:"bill_type"` // BillTrade
	BillDate string `json:"bill_date"` // a day, 2026-10-03, at the latest yesterday's in China
}

// BillTrade is the bill of what was paid and refunded by trades.
const BillTrade = "trade"

// BillHost is where Alipay's bills are downloaded from.
const BillHost = "dwbillcenter.alipay.com"

// Why there is no bill.
var (
	// ErrNoBill: Alipay has no bill of the day, or not yet (isp.bill_not_exist, signed).
	ErrNoBill = errors.New("gateway: there is no bill of that day")
	// ErrBillHost: the download would come from a host that is not allowed.
	ErrBillHost = errors.New("gateway: the bill would come from a host that is not allowed")
	// ErrDownload: the bill could not be downloaded. Its address is good for 30 s; ask
	// for another.
	ErrDownload = errors.New("gateway: the bill could not be downloaded")
)

const (
	// billLife is how long an address of a bill is good.
	billLife = 30 * time.Second
	// longestDownload bounds a download that has begun within it.
	longestDownload = 15 * time.Minute
	// maxBill is the most of a ZIP that is read.
	maxBill = 2 << 30
)

// QueryBill asks for the address of a bill. It fails with [ErrNoBill], or as [Client.Do].
// The address is a secret for as long as it is good: whoever has it reads the bill.
func (c *Client) QueryBill(ctx context.Context, q BillQuery, o Options) (address string, err error) {
	reply, err := c.Do(ctx, MethodBill, q, o)
	refusal, ok := errors.AsType[*Error](err)
	switch {
	case ok && refusal.Signed && strings.HasSuffix(strings.ToLower(refusal.SubCode), "bill_not_exist"):
		return "", ErrNoBill
	case err != nil:
		return "", err
	}
	if address = reply.Text("bill_download_url"); address == "" {
		return "", fmt.Errorf("gateway: %s: %w: it has no bill_download_url", MethodBill, ErrNoAnswer)
	}
	return address, nil
}

// DownloadBill writes what is behind an address of [Client.QueryBill]'s to w, at most
// 2 GiB, and returns how much it was. The host must be one of hosts, to the port if one is
// given, and so must each that it is redirected to. Nobody signs a bill, so that it proves nothing.
//
// It fails with [ErrBillHost], [ErrDownload], or w's error; none names the address.
func (c *Client) DownloadBill(ctx context.Context, address string, hosts []string, w io.Writer) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, longestDownload)
	defer cancel()
	expired := time.AfterFunc(billLife, cancel)
	defer expired.Stop()
	u, err := url.Parse(address)
	if err != nil || !billFrom(u, hosts) {
		return 0, ErrBillHost
	}
	client := *c.http
	client.Timeout, client.Jar = 0, nil // the context's
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		switch {
		case !billFrom(r.URL, hosts):
			return ErrBillHost
		case len(via) > 4:
			return errors.New("too many redirects")
		}
		return nil
	}
	response, err := client.Do((&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}}).WithContext(ctx))
	if err != nil {
		if errors.Is(err, ErrBillHost) {
			return 0, ErrBillHost
		}
		return 0, fmt.Errorf("%w: %w", ErrDownload, withoutAddress(err))
	}
	defer response.Body.Close()
	expired.Stop()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%w: HTTP status %d", ErrDownload, response.StatusCode)
	}
	body := &reading{Reader: io.LimitReader(response.Body, maxBill+1)}
	n, err := io.Copy(w, body)
	switch {
	case body.err != nil:
		return n, fmt.Errorf("%w: it broke off: %w", ErrDownload, withoutAddress(body.err))
	case err != nil:
		return n, err
	case n > maxBill:
		return n, fmt.Errorf("%w: it is larger than 2 GiB", ErrDownload)
	}
	return n, nil
}

// billFrom tells whether a bill may come from there.
func billFrom(u *url.URL, hosts []string) bool {
	return (u.Scheme == "https" || u.Scheme == "http") && u.User == nil &&
		slices.ContainsFunc(hosts, func(host string) bool { return strings.EqualFold(host, u.Host) })
}

// withoutAddress is withoutURL for a GET, whose every error may quote its address.
func withoutAddress(err error) error {
	err = withoutURL(err)
	if strings.Contains(err.Error(), "fileId") || strings.Contains(err.Error(), "://") {
		return fmt.Errorf("a %T that quotes the address", err)
	}
	return err
}

// reading tells errors of what is read from those of where it is written.
type reading struct {
	io.Reader
	err error
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
