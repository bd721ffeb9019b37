package engine

// SetAuditRound makes audits look at so few rows at once, until restore is called. No
// other audit may run meanwhile.
func SetAuditRound(rows int) (restore func()) {
	was := auditRound
	auditRound = rows
	return func() { auditRound = was }
}

// SetMostAlone is SetAuditRound for how much may be on one side alone.
func SetMostAlone(refunds int) (restore func()) {
	was := mostAlone
	mostAlone = refunds
	return func() { mostAlone = was }
}
