package sqlstore

// Is tells what the dialect takes an error for.
func Is(d Dialect, err error) (transient, missing bool) {
	t := tables{dialect: dialects[d]}
	return t.transient(err), t.missing(err)
}

// Text is a query as the dialect takes it.
func Text(d Dialect, query string, options ...Option) (string, error) {
	t, err := newTables(d, options)
	if err != nil {
		return "", err
	}
	return t.text(query), nil
}
