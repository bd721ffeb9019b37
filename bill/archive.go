package bill

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// What a hostile archive may cost. Five million rows are some two gigabytes.
const (
	maxDirectory = 1 << 20  // bytes of the ZIP's list of files
	maxUnpacked  = 16 << 30 // bytes of one file
)

// entry is one file of the archive.
type entry struct {
	name string
	file *zip.File
}

type archiveFiles struct{ details, summary entry }

// open finds the two files of the bill. Nothing is unpacked yet.
func open(archive io.ReaderAt, size int64) (files archiveFiles, err error) {
	bounded := &directory{archive: archive, left: maxDirectory}
	z, err := zip.NewReader(bounded, size)
	if err != nil {
		return files, &Error{Err: fmt.Errorf("%w: the ZIP cannot be read, or is cut off: %w", ErrFormat, err)}
	}
	bounded.left = -1
	for _, file := range z.File {
		name := nameOf(file)
		if name == "" || strings.ContainsAny(name, `/\:`+"\x00") || name == ".." {
			return files, &Error{File: name, Err: fmt.Errorf("%w: the name of a file in the ZIP must not lead elsewhere", ErrFormat)}
		}
		into, err := files.place(name)
		switch {
		case err != nil:
			return files, &Error{File: name, Err: err}
		case into == nil:
		case into.file != nil:
			return files, &Error{File: name, Err: fmt.Errorf("%w: the ZIP has a second such file", ErrFormat)}
		case file.UncompressedSize64 > maxUnpacked:
			return files, &Error{File: name, Err: fmt.Errorf("%w: it is larger than %d bytes", ErrFormat, int64(maxUnpacked))}
		default:
			*into = entry{name, file}
		}
	}
	switch {
	case files.details.file == nil:
		return files, &Error{Err: fmt.Errorf("%w: the ZIP has no …业务明细.csv; a bill of bill_type trade has one", ErrFormat)}
	case files.summary.file == nil:
		return files, &Error{Err: fmt.Errorf("%w: the ZIP has no …业务明细(汇总).csv", ErrFormat)}
	}
	return files, nil
}

// place tells by a file's name which one it is; nil for those of the balance, which
// stood in the same ZIP once.
func (f *archiveFiles) place(name string) (*entry, error) {
	stem, csv := strings.CutSuffix(fold(name), ".csv")
	switch {
	case !csv:
	case strings.HasSuffix(stem, "业务明细"):
		return &f.details, nil
	case strings.HasSuffix(stem, "业务明细(汇总)"):
		return &f.summary, nil
	case balance.MatchString(stem):
		return nil, nil
	}
	return nil, fmt.Errorf("%w: no file of a bill has such a name", ErrFormat)
}

var balance = regexp.MustCompile(`[账财]务明细(\(汇总\))?$`)

// nameOf is the file's name, which Alipay writes in GBK.
func nameOf(file *zip.File) string {
	if utf8.ValidString(file.Name) {
		return file.Name
	}
	name, _ := simplifiedchinese.GB18030.NewDecoder().String(file.Name) // what is neither becomes U+FFFD
	return name
}

// fold writes what varies of a name in one way.
func fold(text string) string { return punctuation.Replace(text) }

var punctuation = strings.NewReplacer("（", "(", "）", ")", "／", "/", "：", ":", "，", ",", "［", "[", "］", "]")

// directory bounds how much of the archive is read to find its files: for each of
// them, memory is needed. Below nothing left it has no bound.
type directory struct {
	archive io.ReaderAt
	left    int
}

func (d *directory) ReadAt(p []byte, off int64) (int, error) {
	if d.left >= 0 {
		if len(p) > d.left {
			return 0, errors.New("its list of files is too long")
		}
		d.left -= len(p)
	}
	return d.archive.ReadAt(p, off)
}
