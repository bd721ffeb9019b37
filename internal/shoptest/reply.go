package shoptest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Reply is an answer of the module's routes.
type Reply struct {
	Status int
	Header http.Header
	Text   string
	Body   map[string]any
}

func (r Reply) Str(name string) string {
	text, _ := r.Body[name].(string)
	return text
}

// Pointers returns the pointers of a problem's errors.
func (r Reply) Pointers() string {
	var pointers []string
	list, _ := r.Body["errors"].([]any)
	for _, e := range list {
		field, _ := e.(map[string]any)
		pointer, _ := field["pointer"].(string)
		pointers = append(pointers, pointer)
	}
	return strings.Join(pointers, " ")
}

func (s *Shop) Do(method, path, body string, header ...string) Reply {
	s.T.Helper()
	request := httptest.NewRequestWithContext(s.T.Context(), method, path, strings.NewReader(body))
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return Serve(s.T, s.Router, request)
}

func Serve(t *testing.T, h http.Handler, request *http.Request) Reply {
	t.Helper()
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	text, err := io.ReadAll(recorder.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := Reply{Status: recorder.Code, Header: recorder.Header(), Text: string(text)}
	if strings.Contains(r.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(text, &r.Body); err != nil {
			t.Fatalf("the answer is not JSON: %v: %s", err, text)
		}
	}
	return r
}

func (s *Shop) Refund(body string) Reply {
	s.T.Helper()
	return s.Do(http.MethodPost, "/alipay/refunds", body)
}

func (s *Shop) Coupon(body string) Reply {
	s.T.Helper()
	return s.Do(http.MethodPost, "/alipay/coupon-refunds", body)
}

func (s *Shop) Get(id string) Reply {
	s.T.Helper()
	return s.Do(http.MethodGet, "/alipay/refunds/"+id, "")
}

// Notice posts a notification's body.
func (s *Shop) Notice(form string) Reply {
	s.T.Helper()
	request := httptest.NewRequestWithContext(s.T.Context(), http.MethodPost, "/alipay/notify", strings.NewReader(form))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return Serve(s.T, s.Router, request)
}

func (s *Shop) List(query string) Reply {
	s.T.Helper()
	return s.Do(http.MethodGet, "/alipay/refunds?"+query, "")
}

// Listed returns the request numbers of a page.
func (r Reply) Listed() string {
	var numbers []string
	refunds, _ := r.Body["refunds"].([]any)
	for _, item := range refunds {
		refund, _ := item.(map[string]any)
		number, _ := refund["out_request_no"].(string)
		numbers = append(numbers, number)
	}
	return strings.Join(numbers, " ")
}

const (
	Order  = "6823789339978248"
	Partly = `{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1"}`
)
