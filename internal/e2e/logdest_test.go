package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// logService is a log service of this machine, or of a jail: a socket for datagrams that everybody may send to.
func logService(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	return conn
}

// told waits for a datagram that holds the line of a client's ending, and checks the line.
func told(t *testing.T, conn *net.UnixConn, from string) {
	t.Helper()
	b := make([]byte, 2048)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b[:n])
		if !strings.Contains(text, `"client":"`+from+":") {
			continue
		}
		line := strings.TrimSuffix(text[strings.Index(text, "{"):], "\n")
		if !json.Valid([]byte(line)) || !strings.Contains(line, `"cause":"client_fin"`) || strings.Contains(line, "\n") {
			t.Errorf("%q", text)
		}
		return
	}
}

// Endings go to syslog and to the journal out of a jail, as nobody, confined in every way; a service that was started anew gets what comes then, and one that is not there ends the start.
func TestLogToServices(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 1)
		for dest, socket := range map[string]string{"syslog": "dev/log", "journald": "run/systemd/journal/socket"} {
			t.Run(dest, func(t *testing.T) {
				jail := openDir(t)
				path := filepath.Join(jail, socket)
				flags := []string{"-u", "nobody", "-j", jail, "--seccomp", "on", "--landlock", "on", "-l", dest, "--log-format", "json"}
				l := launch{poller: poller, listen: fmt.Sprint("127.0.0.1:", freePort(t)), flags: flags, servers: servers}
				if code, output := l.run(t, "-f"); code != 1 || !strings.Contains(output, "open log "+dest+": ") || !strings.Contains(output, "/"+socket+": connect: no such file") {
					t.Errorf("without the service: status %d: %s", code, output)
				}
				conn := logService(t, path)
				b := l.start(t)
				mustVisit(t, loopback(1), b.address)
				told(t, conn, loopback(1).String())
				conn.Close()
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				conn = logService(t, path)
				mustVisit(t, loopback(2), b.address)
				told(t, conn, loopback(2).String())
			})
		}
	})
}

// Both kinds of lines go to standard error, beside the process's own, and no daemon is started to write where nobody reads.
func TestLogToStderr(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := serveNamed(t, 1)
		s := steer(t, poller, false, []string{"-l", "-", "--log-format", "logfmt"}, servers...)
		mustVisit(t, loopback(1), s.address)
		s.logs(" cause=client_fin ")
		s.do("log " + filepath.Join(s.dir, "log"))
		s.do("log stderr")
		if got := s.do("log"); got != "stderr\n" {
			t.Errorf("log: %q", got)
		}
		mustVisit(t, loopback(2), s.address)
		s.logs("client=" + loopback(2).String() + ":")

		b := launch{poller: poller, flags: []string{"-l", "stderr"}, servers: servers}.start(t)
		c := call(t, loopback(3), b.address)
		c.mustName(t)
		if _, err := c.Write([]byte("GET /\x1b[2J HTTP/1.1\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		eventually(t, patience, "the request is on stderr", func() bool { return strings.Contains(b.log.String(), " GET /.[2J HTTP/1.1\n") })
		l := launch{poller: poller, listen: fmt.Sprint("127.0.0.1:", freePort(t)), flags: []string{"-l", "stderr"}, servers: servers}
		if code, output := l.run(t); code != 1 || !strings.Contains(output, "stay in the foreground (-f)") {
			t.Errorf("a daemon: status %d: %s", code, output)
		}
	})
}
