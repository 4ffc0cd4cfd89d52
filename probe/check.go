package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Kind is how a server is asked.
type Kind uint8

const (
	TCP  Kind = iota // it accepts a connection
	HTTP             // it answers a GET with a status of 2xx or 3xx
	Off              // nobody asks
)

// Check is what every server is asked. The zero Check is a TCP check. Path is for HTTP only: an absolute path, with a query if wanted.
type Check struct {
	Kind Kind
	Path string
}

// ParseCheck reads "tcp", "off" or "http:/path".
func ParseCheck(s string) (Check, error) {
	switch path, isHTTP := strings.CutPrefix(s, "http:"); {
	case s == "tcp":
		return Check{Kind: TCP}, nil
	case s == "off":
		return Check{Kind: Off}, nil
	case isHTTP && strings.HasPrefix(path, "//"):
		return Check{}, fmt.Errorf("check %q names a host: expect a path only, as in http:/health", s)
	case isHTTP && strings.HasPrefix(path, "/") && token(path, "#"):
		return Check{Kind: HTTP, Path: path}, nil
	}
	return Check{}, fmt.Errorf("check %q: expect tcp, http:/path or off", s)
}

// String is the form that ParseCheck reads.
func (c Check) String() string {
	switch c.Kind {
	case HTTP:
		return "http:" + c.Path
	case Off:
		return "off"
	}
	return "tcp"
}

// token says that s may stand in a request line or header: printable ASCII without blanks, and none of the bytes in bar.
func token(s, bar string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(bar, s[i]) >= 0 {
			return false
		}
	}
	return true
}

// dialer sends no keepalives: a check does not live long enough for one, and three setsockopts per check are saved.
var dialer = net.Dialer{KeepAlive: -1}

// ask does one check of t and returns nil if it passes, else an error naming the peer. It takes at most timeout, ends early with ctx, and leaves nothing open.
// c.Kind is not Off.
func (c Check) ask(ctx context.Context, t Target, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := dialer.DialContext(ctx, t.Network, t.Address)
	if c.Kind == TCP && errors.Is(err, syscall.ECONNRESET) {
		// A SYN that is turned away gives ECONNREFUSED. A reset means that the server did accept, and hung up before we looked: chance must not decide the verdict.
		return nil
	}
	if err != nil {
		return fmt.Errorf("connect %s: %w", t.Address, cause(err))
	}
	defer conn.Close()
	if c.Kind == TCP {
		abort(conn)
		return nil
	}

	// A connection knows no context: pulling its deadline into the past is what ends a read or write in progress.
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	status, err := get(conn, c.Path, t.Name)
	if err != nil {
		return fmt.Errorf("get %s from %s: %w", c.Path, t.Address, cause(err))
	}
	if status < 200 || status > 399 {
		return fmt.Errorf("get %s from %s: status %d", c.Path, t.Address, status)
	}
	return nil
}

// abort makes the coming Close send RST instead of FIN, so that the server drops the connection unused and logs no empty session (FIELD.md 15), and so that no
// TIME_WAIT stays on our side. Unix sockets know no RST. An error only means that the server sees a FIN.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// cause strips what package net wraps around an error, since ask says what was done and to whom in the house's own words. Every kind of running out of time becomes
// os.ErrDeadlineExceeded.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	var timed net.Error
	if errors.As(err, &timed) && timed.Timeout() {
		return os.ErrDeadlineExceeded
	}
	return err
}

// local says that err is our own trouble and no evidence against a server: out of descriptors, ports or memory (FIELD.md 26).
// EAGAIN means the same on a TCP connect (no port could be bound), but on a Unix socket it means that the server's backlog is full, connect(2).
func local(network string, err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM:
		return true
	case syscall.EAGAIN:
		return !strings.HasPrefix(network, "unix")
	}
	return false
}
