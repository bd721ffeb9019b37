package store

import "strings"

// A refund may have to wait for a second person's approval.

// Decision ends the wait for an approval.
type Decision string

// The decisions.
const (
	Approved Decision = "approved" // by an actor other than the one who asked; it may be sent
	Declined Decision = "declined" // by an actor; it has failed
	Expired  Decision = "expired"  // nobody decided in time; it has failed, and may be asked for again
)

// MayApprove tells whether actor is somebody else than who asked for the refund. Names
// that differ by letter case or by blanks around them are taken for one person's.
func (r Refund) MayApprove(actor string) bool {
	actor, asked := strings.TrimSpace(actor), strings.TrimSpace(r.Actor)
	return actor != "" && asked != "" && !strings.EqualFold(actor, asked)
}
