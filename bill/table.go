package bill

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/transform"
)

// What a line may be. The widest known header has 29 columns.
const (
	maxLine    = 64 << 10 // bytes in UTF-8
	maxColumns = 200
)

// table reads one CSV file line by line. A line is a record: a quote that is not
// closed at its end never takes the next ones in.
type table struct {
	name  string
	lines *bufio.Reader
	line  int
	rest  []byte // of the line, for csv
	csv   *csv.Reader
	width int // how many columns the header has
}

// newTable reads text, which is GBK, or UTF-8 behind a byte order mark.
func newTable(name string, text io.Reader) *table {
	t := &table{name: name}
	raw := bufio.NewReader(text)
	if head, _ := raw.Peek(len(utf8Mark)); string(head) == utf8Mark {
		t.lines = bufio.NewReaderSize(raw, maxLine)
	} else {
		t.lines = bufio.NewReaderSize(transform.NewReader(raw, simplifiedchinese.GB18030.NewDecoder()), maxLine) // which contains GBK
	}
	t.csv = csv.NewReader((*oneLine)(t))
	t.csv.FieldsPerRecord = -1
	t.csv.LazyQuotes = true // a quote in the name of a product
	t.csv.ReuseRecord = true
	return t
}

const utf8Mark = "\ufeff"

// each calls remark for every line that begins with #, header for the first other
// one and row for those behind it, and stops at the first error, to which it adds
// where it was.
func (t *table) each(ctx context.Context, remark func(string) error, header, row func(cells []string) error) error {
	for {
		line, err := t.next()
		if errors.Is(err, errEnd) {
			break
		}
		if err == nil && t.line%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		switch {
		case err != nil:
		case len(line) == 0:
		case line[0] == '#':
			err = remark(string(line))
		case t.width == 0:
			err = t.header(line, header)
		default:
			err = t.row(line, row)
		}
		if err != nil {
			return t.at(err)
		}
	}
	if t.width == 0 {
		return &Error{File: t.name, Err: fmt.Errorf("%w: it has no line with the names of its columns", ErrFormat)}
	}
	return nil
}

// errEnd is that there are no more lines.
var errEnd = errors.New("the end")

// next returns the next line without its end, or errEnd.
func (t *table) next() ([]byte, error) {
	line, err := t.lines.ReadSlice('\n')
	if len(line) > 0 || err != io.EOF {
		t.line++
	}
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("%w: the line is longer than %d bytes", ErrFormat, maxLine)
	case err == io.EOF && len(line) > 0:
	case err == io.EOF:
		return nil, errEnd
	case err != nil:
		return nil, fmt.Errorf("%w: the file cannot be unpacked: %w", ErrFormat, err)
	}
	if t.line == 1 {
		line = bytes.TrimPrefix(line, []byte(utf8Mark))
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

func (t *table) header(line []byte, header func([]string) error) error {
	cells, err := t.cells(line)
	if err != nil {
		return err
	}
	if len(cells) > maxColumns {
		return fmt.Errorf("%w: %d columns, at most %d are read", ErrFormat, len(cells), maxColumns)
	}
	t.width = len(cells)
	return header(cells)
}

func (t *table) row(line []byte, row func([]string) error) error {
	// Counted before they are split. A comma within quotes is counted as well, so
	// that this is a bound and no check.
	if bytes.Count(line, []byte{','}) > 10*maxColumns {
		return fmt.Errorf("%w: the line has too many columns", ErrFormat)
	}
	cells, err := t.cells(line)
	if err != nil {
		return err
	}
	if len(cells) != t.width {
		return fmt.Errorf("%w: the line has %d columns and the header %d", ErrFormat, len(cells), t.width)
	}
	return row(cells)
}

func (t *table) cells(line []byte) ([]string, error) {
	t.rest = line
	cells, err := t.csv.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: no line of a CSV file", ErrFormat) // csv counts lines in its own way
	}
	return cells, nil
}

// at adds where it happened, unless each returned the error: that is its own.
func (t *table) at(err error) error {
	if own, ok := errors.AsType[callersError](err); ok {
		return own.error
	}
	return place(err, t.name, t.line)
}

// place adds file and line to what is wrong, and keeps its column.
func place(err error, file string, line int) error {
	placed, ok := errors.AsType[*Error](err)
	if !ok {
		placed = &Error{Err: err}
	}
	placed.File, placed.Line = file, line
	return placed
}

// callersError is what the caller's function returned.
type callersError struct{ error }

// wrong is what is wrong in a column; the table adds file and line.
func wrong(column, format string, args ...any) error {
	return &Error{Column: column, Err: fmt.Errorf("%w: "+format, append([]any{ErrFormat}, args...)...)}
}

// oneLine gives csv the current line and then its end, again and again.
type oneLine table

func (l *oneLine) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// column is one that is read, by whichever of its names the header has. After
// find, at is where it stands, or -1.
type column struct {
	names    []string
	optional bool
	at       int
}

func (c *column) String() string { return c.names[0] }

// find finds the columns in a header. A second one of the same name is refused:
// nobody knows which is right.
func find(header []string, columns ...*column) error {
	for _, c := range columns {
		c.at = -1
	}
	for i, cell := range header {
		name := plain(cell)
		for _, c := range columns {
			for _, known := range c.names {
				switch {
				case name != known:
				case c.at >= 0:
					return wrong(c.String(), "it is there twice")
				default:
					c.at = i
				}
			}
		}
	}
	for _, c := range columns {
		if c.at < 0 && !c.optional {
			return wrong(c.String(), "there is no such column, or the text is not GBK")
		}
	}
	return nil
}

// plain is a column's name without the currency behind it, "订单金额（元）".
func plain(name string) string {
	name = fold(strings.TrimSpace(name))
	if open := strings.LastIndexByte(name, '('); open > 0 && strings.HasSuffix(name, "元)") {
		name = name[:open]
	}
	return strings.TrimSpace(strings.TrimSuffix(name, "元"))
}

// text is the column's cell without the TAB behind an id.
func (c *column) text(cells []string) (string, error) {
	text := strings.TrimSpace(cells[c.at])
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == utf8.RuneError || r == 0x7f }) {
		return "", wrong(c.String(), "it has bytes that are no text in this charset")
	}
	return text, nil
}
