package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestServerDiesAndReturnsOnItsPort(t *testing.T) {
	s, err := openServer("web2")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := newClients(s.addr)[0]
	if n, err := c.get(t.Context()); n != 2 || err != nil {
		t.Fatalf("first life: server %d, %v", n, err)
	}
	idle, err := net.Dial("tcp4", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if _, err := io.WriteString(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := idle.Read(make([]byte, 512)); err != nil {
		t.Fatal(err)
	}

	s.Kill()
	if _, err := idle.Read(make([]byte, 512)); err == nil {
		t.Error("an open connection outlived its server")
	}
	if _, err := c.get(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dead: %v", err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.get(t.Context()); n != 2 || err != nil {
		t.Errorf("second life: server %d, %v", n, err)
	}
	if got := s.requests.Load(); got != 3 {
		t.Errorf("%d requests counted, want 3", got)
	}
}

// While a server is dead its port must not become the source port of somebody's connection: only the reservation sees to that.
func TestDeadServersPortIsNotGivenAway(t *testing.T) {
	hold, addr, err := holdPort()
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(hold)
	_, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: n, Addr: [4]byte{127, 0, 0, 1}}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("bind of a reserved port: %v", err)
	}
}

func TestBigAnswerHasTheSumThatIsExpected(t *testing.T) {
	s, err := openServer("web1")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := newClients(s.addr)[0]
	for _, n := range []int64{0, 1, blockSize, 3*blockSize + 17} {
		resp, err := c.open(t.Context(), "/big?bytes="+strconv.FormatInt(n, 10))
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		got, err := io.Copy(h, resp.Body)
		resp.Body.Close()
		want, _ := bigSum(t.Context(), n)
		if err != nil || got != n || hex.EncodeToString(h.Sum(nil)) != want {
			t.Errorf("%d bytes: %d came, sum as expected: %t, %v", n, got, hex.EncodeToString(h.Sum(nil)) == want, err)
		}
	}
	for _, bad := range []string{"", "x", "-1", "99999999999999999999"} {
		if _, err := c.open(t.Context(), "/big?bytes="+bad); err == nil || !strings.Contains(err.Error(), "400") {
			t.Errorf("bytes=%q: %v", bad, err)
		}
	}
}

func TestDigestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if sum, err := startDigest(ctx, 1<<40).Wait(); sum != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("%q, %v", sum, err)
	}
}

func TestServerNumber(t *testing.T) {
	for answer, want := range map[string]int{
		"web1 saw 127.0.0.1:5, request 1\n": 1, "web3 saw": 3, "web4 saw x": 0, "web0 saw x": 0, "web 1": 0, "nginx": 0, "": 0,
	} {
		if got := serverNumber(answer); got != want {
			t.Errorf("%q: %d, want %d", answer, got, want)
		}
	}
}

// The kill must find no request under way, and the counts of a phase must not contain one from before.
func TestBetweenStandsBetweenRequests(t *testing.T) {
	var busy, served atomic.Int64
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		busy.Add(1)
		defer busy.Add(-1)
		served.Add(1)
		io.WriteString(w, "web1 saw you")
	})}
	go srv.Serve(l)
	defer srv.Close()
	ld := startLoad(t.Context(), newClients(l.Addr().String())[:4], 0)
	for range 20 {
		column, err := ld.Column(t.Context())
		if err != nil || !slices.Equal(column, []int{1, 1, 1, 1}) {
			t.Fatalf("column %v, %v", column, err)
		}
		ld.Between(func() {
			whole, phase := ld.Tallies()
			if n, _ := total(whole); busy.Load() != 0 || int64(n) != served.Load() {
				t.Errorf("%d requests under way; %d counted of %d", busy.Load(), n, served.Load())
			}
			if n, _ := total(phase); n == 0 {
				t.Error("no request in the phase")
			}
		})
	}
	ld.Stop()
	whole, _ := ld.Tallies()
	all, _ := total(whole)
	if n, failed, err := ld.Fresh(); n != all || failed != 0 || err != nil {
		t.Errorf("fresh %d of %d, %d failed, %v", n, all, failed, err)
	}
	if n, _, _ := ld.Fresh(); n != 0 {
		t.Errorf("fresh again: %d", n)
	}
}

func TestStraying(t *testing.T) {
	clients := []*client{{name: "a", home: 1}, {name: "b", home: 2}, {name: "c", home: 1}, {name: "d"}}
	tallies := make([]tally, 4)
	for i, servers := range [][]int{{1, 1, 0}, {2, 3, 2}, {1, 2}, {0}} {
		for _, s := range servers {
			tallies[i].add(s)
		}
	}
	for _, c := range []struct {
		homes []int
		want  string
	}{{[]int{1, 2, 3}, "b (2 3), c (1 2)"}, {[]int{2}, "b (2 3)"}, {[]int{1, 3}, "c (1 2)"}, {[]int{3}, ""}} {
		if got := list(straying(clients, tallies, c.homes...)); got != c.want {
			t.Errorf("homes %v: %q, want %q", c.homes, got, c.want)
		}
	}
	if n, failed := total(tallies); n != 9 || failed != 2 {
		t.Errorf("%d requests, %d failed", n, failed)
	}
	if at := atHome(clients); at != [serverCount + 1]int{1, 2, 1, 0} {
		t.Errorf("at home %v", at)
	}
	if got := list([]string{"a", "b", "c", "d", "e", "f"}); got != "a, b, c, d and 2 more" {
		t.Error(got)
	}
}

func TestParseShare(t *testing.T) {
	for _, c := range []struct {
		line  string
		share float64
		known bool
	}{
		{"time=x msg=statistics spliced=300 copied=100 live=0", 0.75, true},
		{"copied: 1, spliced: 1", 0.5, true},
		{"spliced=5 copied=0", 1, true},
		{"spliced=0 copied=0", 0, false},
		{"spliced=5", 0, false},
		{"unspliced=5 copied=5", 0, false},
		{"", 0, false},
	} {
		if share, known := parseShare(c.line); share != c.share || known != c.known {
			t.Errorf("%q: %v %v", c.line, share, known)
		}
	}
}

func TestInteresting(t *testing.T) {
	servers := []*server{{addr: "127.0.0.1:4001"}}
	for line, want := range map[string]bool{
		"level=WARN msg=\"server down\" server=127.0.0.1:4001": true,
		"server 127.0.0.1:4001 is up":                          true,
		"connect 127.0.0.1:4001: connection refused":           false,
		"server 10.0.0.1:80 down":                              false,
		"update 127.0.0.1:4001":                                false,
	} {
		if got := interesting(line, servers); got != want {
			t.Errorf("%q: %t", line, got)
		}
	}
}

func TestShellQuote(t *testing.T) {
	for word, want := range map[string]string{
		"--loops": "--loops", "127.0.0.1:80": "127.0.0.1:80", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "[::1]:80": "'[::1]:80'", "$x": "'$x'",
	} {
		if got := shellQuote(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}

func TestJournal(t *testing.T) {
	j := newJournal()
	for _, piece := range []string{"one\ntw", "o", "\n\nfo", "ur"} {
		io.WriteString(j, piece)
	}
	lines, mark := j.Since(0)
	if !slices.Equal(lines, []string{"one", "two", ""}) || mark != 3 {
		t.Errorf("%q, next %d", lines, mark)
	}
	j.Flush()
	if lines, mark = j.Since(mark); !slices.Equal(lines, []string{"four"}) || mark != 4 {
		t.Errorf("%q, next %d", lines, mark)
	}
	for i := range journalLines + 10 {
		io.WriteString(j, strconv.Itoa(i)+"\n")
	}
	lines, next := j.Since(mark)
	if len(lines) != journalLines || lines[0] != "10" || next != mark+journalLines+10 {
		t.Errorf("%d lines from %q, next %d", len(lines), lines[0], next)
	}
	if tail := j.Tail(1); !slices.Equal(tail, []string{strconv.Itoa(journalLines + 9)}) {
		t.Errorf("tail %q", tail)
	}
	if lines, _ := j.Since(next + 5); lines != nil {
		t.Errorf("past the end: %q", lines)
	}
}
