package accesslog

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"time"
)

// sink is where lines go. The writer alone calls write and end.
type sink interface {
	// write writes the lines that wait, at most a ring of them. It returns how many were lost, and why the last of them was.
	write(lines *ring) (lost int, err error)
	// end closes the sink, and returns what write does.
	end() (lost int, err error)
	// SetWriteDeadline may be called while a write is stuck, to end it. An error means that the sink cannot be hurried.
	SetWriteDeadline(time.Time) error
	Close() error
}

// outlet is what a sink needs of a file or a socket.
type outlet interface {
	io.WriteCloser
	SetWriteDeadline(time.Time) error
}

// file writes lines in chunks, and never leaves part of a line behind: the rest of one that was cut short by a full disk is written before anything else.
type file struct {
	// constant
	shown bool // it is standard error: somebody's terminal, perhaps, and the process's own log writes there too

	// owned by the writer
	outlet
	buf  []byte
	torn []byte // the rest of the line that the file ends in the middle of
}

func (f *file) write(lines *ring) (lost int, err error) {
	budget, enough := len(lines.cells), chunk
	if f.shown {
		enough = atomicWrite - maxEnding - 1
	}
	for budget > 0 && lines.next() != nil {
		f.buf = append(f.buf[:0], f.torn...)
		for e := lines.next(); e != nil && budget > 0 && len(f.buf) < enough; e = lines.next() {
			from := len(f.buf)
			if f.buf = e.appendFileLine(f.buf); f.shown {
				tame(f.buf[from:])
			}
			lines.pop()
			budget--
		}
		if n, e := f.outlet.Write(f.buf); e != nil {
			lost += f.cut(n)
			err = e
		} else {
			f.torn = f.torn[:0]
		}
	}
	return lost, err
}

// cut takes stock after only n bytes of buf were written, and returns how many lines are lost: all that were not begun.
func (f *file) cut(n int) (lost int) {
	left := f.buf[n:]
	inside := len(f.torn) > 0
	if n > 0 {
		inside = f.buf[n-1] != '\n'
	}
	f.torn = f.torn[:0]
	if inside {
		end := bytes.IndexByte(left, '\n') + 1
		f.torn = append(f.torn, left[:end]...)
		left = left[end:]
	}
	return bytes.Count(left, []byte{'\n'})
}

func (f *file) end() (lost int, err error) {
	if len(f.torn) > 0 {
		if _, err = f.outlet.Write(f.torn); err != nil {
			lost = 1
		}
	}
	return lost, errors.Join(err, f.Close())
}

// collector sends each line in a datagram of its own, as penlogd wants them.
type collector struct {
	// owned by the writer
	outlet
	buf []byte
}

func (c *collector) write(lines *ring) (lost int, err error) {
	budget := len(lines.cells)
	for next := lines.next(); next != nil && budget > 0; next = lines.next() {
		c.buf = next.appendDatagram(c.buf[:0])
		lines.pop()
		budget--
		_, e := c.outlet.Write(c.buf)
		if errors.Is(e, syscall.ECONNREFUSED) {
			// Word of an earlier datagram that nobody took. This one has not been sent yet.
			lost, err = lost+1, e
			_, e = c.outlet.Write(c.buf)
		}
		if e != nil {
			lost, err = lost+1, e
		}
	}
	return lost, err
}

func (c *collector) end() (lost int, err error) { return 0, c.Close() }
