package accesslog

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
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

// isNetwork tells a collector from a file as Pen does.
func isNetwork(dest string) bool { return strings.Contains(dest, ":") && !strings.HasPrefix(dest, "/") }

func openSink(dest string) (sink, error) {
	if isNetwork(dest) {
		host, port, err := net.SplitHostPort(dest)
		if err != nil { // an IPv6 host without brackets
			at := strings.LastIndexByte(dest, ':')
			host, port = dest[:at], dest[at+1:]
		}
		conn, err := net.Dial("udp", net.JoinHostPort(host, port))
		if err != nil {
			return nil, err
		}
		return &collector{outlet: conn}, nil
	}
	// Not blocking: a named pipe whose reader has stopped can then be given up at Close. Regular files do not care.
	f, err := os.OpenFile(dest, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, err
	}
	return &file{outlet: f}, nil
}

// file writes lines in chunks, and never leaves part of a line behind: the rest of one that was cut short by a full disk is written before anything else.
type file struct {
	// owned by the writer
	outlet
	buf  []byte
	torn []byte // the rest of the line that the file ends in the middle of
}

func (f *file) write(lines *ring) (lost int, err error) {
	budget := len(lines.cells)
	for budget > 0 && lines.next() != nil {
		f.buf = append(f.buf[:0], f.torn...)
		for e := lines.next(); e != nil && budget > 0 && len(f.buf) < chunk; e = lines.next() {
			f.buf = e.appendFileLine(f.buf)
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
