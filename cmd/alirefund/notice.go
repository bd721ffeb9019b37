package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const noticeHelp = `alirefund send-notice -to URL -kind KIND -key FILE [flags]
alirefund send-notice -new-keys DIR

Posts a notice, signed with a test key that stands for Alipay's, and prints the
answer. The application under test must run in key mode, and take the test key's
public half for Alipay's public key. -new-keys makes such a pair in DIR, as
` + privateName + ` and ` + publicName + `.

The kinds deposit_back and message belong to the application's gateway (POST
/gateway), the others to a notify_url.

A private key is taken for a test key only if its PEM label says so, which is
what -new-keys writes: -----BEGIN ` + testingKey + `-----. Every other is refused.

Exit codes: 0 the answer was exactly success; 1 it was not, or there was none;
2 wrong flags, or a key that is not for tests.

`

// exitRefused: the notice was not acknowledged.
const exitRefused = 1

func sendNotice(ctx context.Context, args []string, std streams) (int, error) {
	flags := flag.NewFlagSet("send-notice", flag.ContinueOnError)
	var o order
	to := flags.String("to", "", "`URL` to post to")
	key := flags.String("key", "", "`FILE` with a private test key")
	newKeys := flags.String("new-keys", "", "make a pair of test keys in `DIR`, and use them if -to is given")
	flags.StringVar(&o.kind, "kind", "trade_refund", "`KIND`: "+strings.Join(kindNames(), ", "))
	flags.StringVar(&o.appID, "app-id", "2021000000000001", "app_id of the notice, `ID`")
	flags.StringVar(&o.sellerID, "seller-id", "2088000000000001", "seller_id of the notice, `ID`")
	flags.StringVar(&o.outTradeNo, "out-trade-no", "order-1", "the order's `NUMBER`; of a red packet or a pre-authorisation its out_order_no")
	flags.StringVar(&o.outRequestNo, "out-request-no", "", "the refund's `NUMBER`")
	flags.StringVar(&o.total, "total", "88.88", "what was paid, or frozen, `YUAN`")
	flags.StringVar(&o.amount, "amount", "8.88", "what a partial refund or a release gives back, or the bank took, `YUAN`")
	flags.StringVar(&o.message, "message", "alipay.fund.trans.order.changed", "of the kind message: its msg_method, `NAME`")
	flags.StringVar(&o.bizContent, "biz-content", "{}", "of the kind message: its biz_content, `JSON`")
	if err := parse(flags, args, noticeHelp, std); err != nil {
		return 0, err
	}
	switch {
	case flags.NArg() > 0:
		return 0, fmt.Errorf("unexpected %q", flags.Arg(0))
	case *newKeys != "" && *key != "":
		return 0, errors.New("either -key or -new-keys")
	case *newKeys != "":
		made, err := makeKeys(*newKeys)
		if err != nil {
			return 0, err
		}
		say(std.out, "made %s and %s in %s\n", privateName, publicName, *newKeys)
		if *key = made; *to == "" {
			return 0, nil
		}
	case *key == "":
		return 0, errors.New("-key is required, or -new-keys (-h tells more)")
	}
	address, err := url.Parse(*to)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" {
		return 0, errors.New("-to wants the http or https URL that notices go to")
	}
	sign, err := testSigner(*key)
	if err != nil {
		return 0, err
	}
	form, err := o.form(sign, *to)
	if err != nil {
		return 0, err
	}
	return post(ctx, *to, form, std.out)
}

// maxAnswer is how much of an answer is read.
const maxAnswer = 4 << 10

// post sends the form as Alipay does, and follows no redirect.
func post(ctx context.Context, to, form string, out io.Writer) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		say(out, "no answer: %v\n", err)
		return exitRefused, nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		say(out, "%s, and then: %v\n", response.Status, err)
		return exitRefused, nil
	}
	say(out, "%s\n%s\n", response.Status, printable(string(body)))
	if response.StatusCode == http.StatusOK && string(body) == "success" {
		say(out, "acknowledged: exactly success\n")
		return 0, nil
	}
	say(out, "not acknowledged: Alipay wants status 200 and exactly success, and would send it again\n")
	return exitRefused, nil
}
