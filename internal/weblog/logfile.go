package weblog

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// logFile is a log that is being read from the beginning to the end, as it is or compressed by gzip. It counts what is wrong with it.
type logFile struct {
	// constant after openLog
	name  string
	file  *os.File
	size  int64 // in bytes; unknownSize if it is no regular file
	lines *lineReader
	debug io.Writer // gets the number of each line left out; nil: nobody does

	// owned by the reader
	count     int64 // bytes of the file that have been read
	number    int   // of the line read last, from 1
	leftOut   int   // lines
	backwards int   // lines with a time before that of the line before
	last      int64 // the time of the last line with one
	err       error // what ended the reading before the end of the file
}

const unknownSize = -1

// openLog opens a log and looks at its first bytes.
func openLog(name string, debug io.Writer) (l *logFile, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	l = &logFile{name: name, file: file, debug: debug, size: unknownSize, last: math.MinInt64}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() {
		l.size = info.Size()
	}
	raw := bufio.NewReaderSize(l, lineLimit)
	magic, err := raw.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		l.lines = newLineReader(raw)
		return l, nil
	}
	plain, err := gzip.NewReader(raw)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	l.lines = newLineReader(plain)
	return l, nil
}

// Read reads the file's own bytes and counts them.
func (l *logFile) Read(p []byte) (n int, err error) {
	n, err = l.file.Read(p)
	l.count += int64(n)
	return n, err
}

// next is the next line without its end, good until the call after. False: there is none, or there is an err.
func (l *logFile) next() (line []byte, ok bool) {
	for {
		line, cut, err := l.lines.next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				l.err = fmt.Errorf("read %s: %w", l.name, err)
			}
			return nil, false
		}
		l.number++
		if !cut {
			return line, true
		}
		l.leaveOut()
	}
}

// leaveOut says that the line read last is not used.
func (l *logFile) leaveOut() {
	l.leftOut++
	if l.debug != nil {
		fmt.Fprintf(l.debug, "mergelogs: %s:%d: left out, not a line of such a log\n", l.name, l.number)
	}
}

// use says that the line read last is used, and when it was logged.
func (l *logFile) use(at int64) {
	if at < l.last {
		l.backwards++
	}
	l.last = at
}

// tell tells the operator what was wrong with the log, and whether it was read to its end.
func (l *logFile) tell(say io.Writer) (whole bool) {
	if l.leftOut > 0 || l.backwards > 0 {
		fmt.Fprintf(say, "mergelogs: %s: %d lines left out, %d out of order\n", l.name, l.leftOut, l.backwards)
	}
	if l.err != nil {
		fmt.Fprintf(say, "mergelogs: %v\n", l.err)
	}
	return l.err == nil
}

func (l *logFile) regular() bool { return l.size != unknownSize }

func (l *logFile) close() { l.file.Close() }
