package accesslog

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// service is a local service that takes datagrams.
func service(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// begun is a log to a local service.
func begun(t *testing.T, path string, f frame) *Log {
	t.Helper()
	s, err := openLocal(path, f)
	if err != nil {
		t.Fatal(err)
	}
	l := start(path, s, newRing(16, maxEnding), time.Hour, quiet)
	t.Cleanup(func() { closed(t, l) })
	return l
}

// Each line, of either kind, is a datagram as its service wants it, with nothing in it for a terminal to obey.
func TestLocalServices(t *testing.T) {
	for _, c := range []struct {
		name  string
		frame frame
		want  string // matched by what comes before and behind a line
	}{
		{"syslog", syslogFrame, fmt.Sprintf(`^<14>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d pen\[%d\]: LINE$`, os.Getpid())},
		{"journald", journalFrame, fmt.Sprintf("^PRIORITY=6\nSYSLOG_IDENTIFIER=pen\nSYSLOG_PID=%d\nMESSAGE=LINE\n$", os.Getpid())},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := place(t)
			conn := service(t, path)
			l := begun(t, path, c.frame)
			Witness{l, JSON}.Closed(&trail)
			l.Line(now, v4, "10.0.0.1", []byte("GET /\x1b[2J\x00\t\x7f HTTP/1.1\r\nHost: x"))
			for _, line := range []string{JSON.Line(&trail), "192.168.100.200 1700000000 10.0.0.1 GET /.[2J... HTTP/1.1"} {
				got := receive(t, conn)
				if want := regexp.MustCompile(strings.ReplaceAll(c.want, "LINE", regexp.QuoteMeta(line))); !want.MatchString(got) {
					t.Errorf("got %q, want %s", got, want)
				}
			}
		})
	}
}

// A service that was started anew gets what comes then; one that is too busy, or away, costs lines and no time.
func TestLocalServiceReturns(t *testing.T) {
	t.Parallel()
	path := place(t)
	conn := service(t, path)
	l := begun(t, path, syslogFrame)
	conn.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.Line(now, v4, "10.0.0.1", get)
	until(t, "the line is dropped", func() bool { return l.Dropped() == 1 })
	conn = service(t, path)
	l.Line(now, v4, "10.0.0.1", []byte("back"))
	if got := receive(t, conn); !strings.HasSuffix(got, "10.0.0.1 back") {
		t.Errorf("got %q", got)
	}
	const lines = 5000 // more than a socket holds and the ring beside it
	for range lines {
		l.Line(now, v4, "10.0.0.1", get)
	}
	until(t, "lines are dropped", func() bool { return l.Dropped() > 1 })
	last := make(chan struct{})
	go func() {
		defer close(last)
		b := make([]byte, 2048)
		for n, err := 0, error(nil); err == nil && !strings.HasSuffix(string(b[:n]), "10.0.0.1 last"); {
			n, err = conn.Read(b)
		}
	}()
	until(t, "lines come through again", func() bool {
		l.Line(now, v4, "10.0.0.1", []byte("last"))
		select {
		case <-last:
			return true
		default:
			return false
		}
	})
}

// A service that takes nothing does not keep a log from being closed.
func TestCloseIsBoundedByALocalService(t *testing.T) {
	t.Parallel()
	path := place(t)
	service(t, path)
	l := begun(t, path, journalFrame)
	until(t, "the ring is full", func() bool { l.Line(now, v4, "10.0.0.1", get); return l.Dropped() > 0 })
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoLocalService(t *testing.T) {
	if _, err := openLocal(place(t), syslogFrame); err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("%v", err)
	}
}
