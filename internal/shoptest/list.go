package shoptest

import (
	"net/http"
	"strings"
)

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
