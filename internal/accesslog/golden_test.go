package accesslog

import (
	"bytes"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// testdata/pen.log and testdata/pen.datagrams were written by Debian's pen 0.34.1 with -P: testdata/capture.py runs it on loopback and sends it these requests
// over IPv4, over IPv6, over IPv4 through an IPv6 listener, and (file only) over a Unix socket.
var requests = []string{
	"GET /a HTTP/1.0\r\nHost: x\r\n\r\n", "abc\tdef\x01\x7f\xe9\xff z\nrest", "\r\nx", "no newline at all", "nul\x00after\r\n", " lead \n", "lone\rcr",
	strings.Repeat("Z", 99) + "\n", strings.Repeat("Y", 100), strings.Repeat("W", 100) + "\n", strings.Repeat("V", 101) + "\n", strings.Repeat("X", 150) + "\n",
	strings.Repeat("B", 990) + "\n", strings.Repeat("C", 1001) + "\n", strings.Repeat("D", 1002) + "\n", strings.Repeat("E", 3000),
	strings.NewReplacer("\r", "", "\n", "").Replace(span(0, 100)), span(100, 200), span(200, 256),
}

func span(from, to int) string {
	var b []byte
	for c := from; c < to; c++ {
		b = append(b, byte(c))
	}
	return string(b)
}

// ways are the client and server addresses of the captures, in their order.
var ways = []struct {
	client netip.Addr
	server string
}{
	{netip.MustParseAddr("127.0.0.1"), "127.0.0.1"},
	{netip.MustParseAddr("::1"), "::1"},
	{netip.MustParseAddr("::ffff:127.0.0.1"), "127.0.0.1"},
	{netip.Addr{}, "/tmp/pen-golden-backend"},
}

func TestFileIsPens(t *testing.T) {
	golden := content(t, "testdata/pen.log")
	path := place(t)
	l := opened(t, path, strict(t))
	for i, penLine := range strings.Split(strings.TrimSuffix(golden, "\n"), "\n") {
		way := ways[i/len(requests)]
		epoch, err := strconv.ParseInt(strings.Split(penLine, " ")[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		l.Line(epoch*1e9+999_999_999, way.client, way.server, []byte(requests[i%len(requests)]))
	}
	closed(t, l)
	if got := content(t, path); got != golden {
		t.Errorf("got\n%q, Pen's is\n%q", got, golden)
	}
}

func TestDatagramsArePens(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile("testdata/pen.datagrams")
	if err != nil {
		t.Fatal(err)
	}
	conn := collect(t, "udp4", "127.0.0.1:0")
	l := opened(t, conn.LocalAddr().String(), strict(t))
	want := bytes.SplitAfter(golden, []byte("\n"))
	want = want[:len(want)-1]
	for i := range want {
		way := ways[i/len(requests)]
		l.Line(now, way.client, way.server, []byte(requests[i%len(requests)]))
	}
	for _, want := range want {
		if got := receive(t, conn); got != string(want) {
			t.Errorf("got %q, Pen's is %q", got, want)
		}
	}
}

func TestLinesThatPenHasNoExampleFor(t *testing.T) {
	for _, c := range []struct {
		name, file, datagram string
		client               netip.Addr
		server               string
	}{
		{"Unix client", " 1700000000 10.0.0.1 GET /\n", "+ - 10.0.0.1 GET /\n", netip.Addr{}, "10.0.0.1"},
		{"zone", "fe80::1 1700000000 10.0.0.1 GET /\n", "+ fe80::1 10.0.0.1 GET /\n", netip.MustParseAddr("fe80::1%lo"), "10.0.0.1"},
		{"very long server", "192.168.100.200 1700000000 " + strings.Repeat("s", 1100) + " GET /\n", "+ 192.168.100.200 " + strings.Repeat("s", 1023-18) + "\n",
			v4, strings.Repeat("s", 1100)},
	} {
		e := line{at: now, client: c.client, server: c.server, request: []byte("GET /")}
		if got := string(e.appendFileLine(nil)); got != c.file {
			t.Errorf("%s: file line %q, want %q", c.name, got, c.file)
		}
		if got := string(e.appendDatagram(nil)); got != c.datagram {
			t.Errorf("%s: datagram %q, want %q", c.name, got, c.datagram)
		}
	}
}

func TestEpochIsThatOfTheCall(t *testing.T) {
	e := line{at: time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC).UnixNano(), client: v6, server: "x"}
	if got, want := string(e.appendFileLine(nil)), "2001:db8::17 2147483648 x \n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whatever the bytes of a read, its line is one line, ASCII in a file, and short enough for penlogd.
func FuzzRequest(f *testing.F) {
	for _, r := range requests {
		f.Add([]byte(r))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const head, plus = "2001:db8::17 1700000000 10.0.0.1 ", "+ 2001:db8::17 10.0.0.1 "
		want := data
		if end := bytes.IndexAny(want, "\r\n"); end >= 0 {
			want = want[:end]
		}
		whole := plus + string(want)
		if datagram := put(newRing(2, maxDatagram), data).appendDatagram(nil); string(datagram) != whole[:min(len(whole), 1023)]+"\n" {
			t.Fatalf("datagram %q", datagram)
		}
		want = want[:min(len(want), 100)]
		file := put(newRing(2, maxRequest), data).appendFileLine(nil)
		if len(file) != len(head)+len(want)+1 || bytes.IndexFunc(file, func(c rune) bool { return c >= 0x80 }) >= 0 || bytes.IndexByte(file, '\n') != len(file)-1 {
			t.Fatalf("line %q", file)
		}
	})
}

func put(r *ring, data []byte) *line {
	r.put(now, v6, "10.0.0.1", data)
	return r.next()
}
