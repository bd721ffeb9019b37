package explain

// ExplainWith is Explain with fewer verifications, so that fuzzing gets
// somewhere.
func ExplainWith(raw []byte, k Keys, verifications int) Report { return explain(raw, k, verifications) }
