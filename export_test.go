package alirefund

import "reflect"

// What the tests that write pages read of the routes.

// The types of the answers.
var (
	RefundView  = reflect.TypeFor[view]()
	RowView     = reflect.TypeFor[rowView]()
	RecordView  = reflect.TypeFor[recordView]()
	PageView    = reflect.TypeFor[pageView]()
	AuditsView  = reflect.TypeFor[auditsView]()
	ProblemView = reflect.TypeFor[problem]()

	DeclineRequest = reflect.TypeFor[declineRequest]()
)

// MaxPage is the most refunds of one page.
const MaxPage = maxPage

// Problem is the status and the title of a code.
type Problem struct {
	Status int
	Title  Text
}

// Problems are the stable codes.
func Problems() map[string]Problem {
	all := map[string]Problem{}
	for code, p := range problems {
		all[code] = Problem{p.status, p.title}
	}
	return all
}

// ListParams are the names of the parameters of GET /refunds, in their order.
func ListParams() []string {
	var names []string
	for _, p := range listParams {
		names = append(names, p.name)
	}
	return names
}
