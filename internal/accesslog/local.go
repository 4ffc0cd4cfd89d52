package accesslog

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// local sends each line in a datagram to a service of this machine. One that was started anew, with a new socket under the old name, is found again.
//
// The socket is connected: only then does the kernel say when a service that was too busy takes datagrams again.
type local struct {
	// constant after openLocal
	path  string
	frame frame

	// owned by the writer
	text, buf []byte

	mu sync.Mutex
	// guarded by mu
	conn     net.Conn  // the writer alone writes to it and replaces it
	deadline time.Time // of writes; zero = none
}

func openLocal(path string, f frame) (*local, error) {
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		return nil, err
	}
	return &local{path: path, frame: f, conn: conn}, nil
}

func (l *local) write(lines *ring) (lost int, err error) {
	again := true // it is looked for again once, not for each line
	for budget := len(lines.cells); budget > 0; budget-- {
		next := lines.next()
		if next == nil {
			break
		}
		l.text = tame(next.appendFileLine(l.text[:0]))
		l.buf = l.frame(l.buf[:0], l.text[:len(l.text)-1])
		lines.pop()
		_, e := l.conn.Write(l.buf)
		if e != nil && again && !errors.Is(e, os.ErrDeadlineExceeded) {
			again = false
			if e = l.connect(); e == nil {
				_, e = l.conn.Write(l.buf)
			}
		}
		if e != nil {
			lost, err = lost+1, e
		}
	}
	return lost, err
}

// connect connects anew.
func (l *local) connect() error {
	conn, err := net.Dial("unixgram", l.path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn.Close()
	l.conn = conn
	return conn.SetWriteDeadline(l.deadline)
}

func (l *local) end() (lost int, err error) { return 0, l.Close() }

// SetWriteDeadline implements sink.
func (l *local) SetWriteDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = t
	return l.conn.SetWriteDeadline(t)
}

// Close implements sink.
func (l *local) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn.Close()
}

// tame takes what a terminal or a journal would obey out of a line: all that stands there came from a client.
func tame(text []byte) []byte {
	for i, c := range text {
		if (c < ' ' || c == 0x7f) && i != len(text)-1 {
			text[i] = '.'
		}
	}
	return text
}
