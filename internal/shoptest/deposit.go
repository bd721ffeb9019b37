package shoptest

import (
	"strings"
)

// Notes returns what the history of a refund says of banks.
func (s *Shop) Notes(id string) string {
	s.T.Helper()
	r, err := s.Config.Store.Get(s.T.Context(), id)
	if err != nil {
		s.T.Fatal(err)
	}
	var notes []string
	for _, e := range r.History {
		if e.What == "deposit_back" {
			detail, _, _ := strings.Cut(e.Detail, "; bank")
			notes = append(notes, detail)
		}
	}
	return strings.Join(notes, ", ")
}
