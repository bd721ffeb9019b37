package explain

import (
	"strings"

	"github.com/alirefund/alirefund/notify"
)

// finding is what a search ended with.
type finding struct {
	kind         Kind
	notification notify.Kind
	cause        Cause  // empty: it verifies
	detail       string // what is to be said beside the cause's hint
	signed       string // masked
}

func (f finding) report() Report {
	hint := f.cause.hint()
	if f.detail != "" {
		hint = strings.TrimSpace(hint + " " + f.detail)
	}
	return Report{
		Verifies:     f.cause == "",
		Kind:         f.kind,
		Notification: f.notification,
		Cause:        f.cause,
		Hint:         hint,
		Signed:       f.signed,
	}
}

// besides names a second cause that had to be undone as well.
func besides(c Cause) string {
	if c == "" {
		return ""
	}
	return "Besides: " + string(c) + "."
}
