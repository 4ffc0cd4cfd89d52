package accesslog

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func collect(t *testing.T, network, address string) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenPacket(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.UDPConn)
}

func receive(t *testing.T, conn net.Conn) string {
	t.Helper()
	b := make([]byte, 2048)
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// PEN.md 1.9: Pen's lines stay in its memory until 4 KB have come together. Ours reach the file though nothing follows.
func TestALineComesThroughByItself(t *testing.T) {
	t.Parallel()
	path := place(t)
	l := opened(t, path, strict(t))
	for i, want := range []string{"", "first", "second", "third"} {
		if i > 0 {
			l.Line(now, v4, "10.0.0.1", []byte(want))
		}
		until(t, want+" is in the file", func() bool {
			return strings.Count(content(t, path), "\n") == i && strings.HasSuffix(content(t, path), want+"\n"[:min(i, 1)])
		})
	}
}

func TestAppends(t *testing.T) {
	path := place(t)
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l := opened(t, path, strict(t))
		l.Line(now, v4, "10.0.0.1", get)
		closed(t, l)
	}
	const one = "192.168.100.200 1700000000 10.0.0.1 GET /index.html HTTP/1.1\n"
	if got := content(t, path); got != "before\n"+one+one {
		t.Errorf("got %q", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	for dest, want := range map[string]string{
		dir:                       "is a directory",
		dir + "/none/log":         "no such file or directory",
		"":                        "no such file or directory",
		"127.0.0.1:nosuchservice": "nosuchservice",
		"127.0.0.1:99999":         "invalid port",
	} {
		l, err := Open(dest, quiet)
		if err == nil {
			closed(t, l)
			t.Errorf("%q is opened", dest)
		} else if !strings.HasPrefix(err.Error(), "open log "+dest+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", dest, err, want)
		}
	}
}

func TestFileOrCollector(t *testing.T) {
	for dest, want := range map[string]bool{"/var/log/pen:80": false, "pen.log": false, "host:80": true, "[::1]:80": true, "::1:80": true, "./a:b": true} {
		if isNetwork(dest) != want {
			t.Errorf("%s: collector is %t", dest, !want)
		}
	}
	for dest, want := range map[string]bool{"pen.log": true, "/var/log/pen:80": true, "./syslog": true, "syslog": false, "journald": false, "stderr": false, "-": false, "host:80": false} {
		if IsFile(dest) != want {
			t.Errorf("%s: file is %t", dest, !want)
		}
	}
}

func TestCollectorOverIPv6(t *testing.T) {
	t.Parallel()
	conn := collect(t, "udp6", "[::1]:0")
	port := conn.LocalAddr().(*net.UDPAddr).Port
	for _, dest := range []string{fmt.Sprintf("[::1]:%d", port), fmt.Sprintf("::1:%d", port)} {
		l := opened(t, dest, strict(t))
		l.Line(now, v6, "2001:db8::1", get)
		if got, want := receive(t, conn), "+ 2001:db8::17 2001:db8::1 GET /index.html HTTP/1.1\n"; got != want {
			t.Errorf("%s: got %q, want %q", dest, got, want)
		}
		if err := l.Reopen(); err != nil {
			t.Error(err)
		}
		l.Line(now, v4, "10.0.0.1", get)
		if got, want := receive(t, conn), "+ 192.168.100.200 10.0.0.1 GET /index.html HTTP/1.1\n"; got != want {
			t.Errorf("%s after Reopen: got %q, want %q", dest, got, want)
		}
	}
}

func TestReopenAfterRename(t *testing.T) {
	path := place(t)
	l := opened(t, path, strict(t))
	for i := range 20 {
		l.Line(now, v4, "10.0.0.1", fmt.Appendf(nil, "old %d", i))
		old := fmt.Sprintf("%s.%d", path, i)
		if err := os.Rename(path, old); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
		if got, want := content(t, old), fmt.Sprintf("192.168.100.200 1700000000 10.0.0.1 old %d\n", i); got != want {
			t.Fatalf("old file: got %q, want %q", got, want)
		}
	}
}

func TestReopenThatFailsKeepsTheFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l := opened(t, dir+"/log", strict(t))
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil || !strings.HasPrefix(err.Error(), "reopen log "+dir+"/log: ") {
		t.Errorf("Reopen without a directory: %v", err)
	}
	l.Line(now, v4, "10.0.0.1", get)
	closed(t, l)
	if got := content(t, dir+".away/log"); !strings.HasSuffix(got, " GET /index.html HTTP/1.1\n") {
		t.Errorf("old file: %q", got)
	}
}

func TestAfterClose(t *testing.T) {
	path := place(t)
	l := opened(t, path, quiet)
	closed(t, l)
	l.Line(now, v4, "10.0.0.1", get)
	if l.Dropped() != 1 {
		t.Errorf("%d lines dropped, want 1", l.Dropped())
	}
	if err := l.Reopen(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("Reopen: %v", err)
	}
	closed(t, l)
}

// Loops log and the operator rotates at once: every line is in one of the files, whole, and each caller's in order.
func TestManyCallersWhileRotating(t *testing.T) {
	t.Parallel()
	const callers, each = 6, 1000
	path := place(t)
	l := opened(t, path, quiet)
	var loops sync.WaitGroup
	for c := range callers {
		loops.Go(func() {
			client, b := netip.AddrFrom4([4]byte{10, 0, 0, byte(c)}), make([]byte, 0, 50)
			for i := range each {
				b = fmt.Appendf(b[:0], "%05d of caller %d\r\n", i, c)
				l.Line(now, client, "server", b)
			}
		})
	}
	rotated := 0
	for all := make(chan struct{}); ; rotated++ {
		if rotated == 0 {
			go func() { loops.Wait(); close(all) }()
		}
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, rotated)); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Log(err) // a busy machine kept the writer away for a second; the old file stays, under its new name
		}
		select {
		case <-all:
		default:
			continue
		}
		break
	}
	closed(t, l)
	var text strings.Builder
	for i := range rotated + 1 {
		text.WriteString(content(t, fmt.Sprintf("%s.%d", path, i)))
	}
	text.WriteString(content(t, path))
	lines, last := 0, [callers]int{-1, -1, -1, -1, -1, -1}
	for one := range strings.Lines(text.String()) {
		var c, again, i int
		if _, err := fmt.Sscanf(one, "10.0.0.%d 1700000000 server %05d of caller %d\n", &c, &i, &again); err != nil || c != again {
			t.Fatalf("%q: %v", one, err)
		}
		if i <= last[c] {
			t.Fatalf("caller %d: line %d after %d", c, i, last[c])
		}
		last[c] = i
		lines++
	}
	if got := uint64(lines) + l.Dropped(); got != callers*each {
		t.Errorf("%d lines and %d dropped, of %d", lines, l.Dropped(), callers*each)
	}
}
