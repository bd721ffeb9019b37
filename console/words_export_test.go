package console

// For the tests of the words.
var (
	Texts   = texts
	Stages  = stages
	Entries = entries
	Tones   = tones
)
