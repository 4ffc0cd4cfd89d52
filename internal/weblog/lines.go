package weblog

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// lineLimit is the longest line that is read whole, in bytes, and the size of the buffer for reading: web servers refuse requests of a fraction of that.
const lineLimit = 64 << 10

// lineReader reads lines of any length in bounded memory.
type lineReader struct {
	// constant after newLineReader
	r *bufio.Reader

	// owned by the caller
	long []byte // holds the beginning of a long line
}

// newLineReader takes a bufio.Reader of lineLimit as it is.
func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, lineLimit)}
}

// next is the next line without its end, good until the call after; of a line that is longer than lineLimit it is the beginning, and cut says so. The last line may lack its end.
func (l *lineReader) next() (line []byte, cut bool, err error) {
	line, err = l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = append(l.long[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.r.ReadSlice('\n')
		}
		line, cut = l.long, true
	}
	if len(line) > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return bytes.TrimSuffix(line, []byte("\n")), cut, err
}
