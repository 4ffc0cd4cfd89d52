package accesslog

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
)

var trail = account.Trail{
	Ended: time.Date(2026, 11, 23, 9, 30, 0, 125e6, time.UTC).UnixNano(), Client: netip.MustParseAddrPort("192.0.2.7:4711"), Server: "www1:80", Why: "affinity", Cause: account.ServerReset,
	Errno: syscall.ECONNRESET, Number: 12, Connected: 250 * time.Microsecond, FirstUp: 300 * time.Microsecond, FirstDown: account.Never, Lasted: 2 * time.Second, Up: 60, Down: 0,
}

func TestEndingLines(t *testing.T) {
	unserved := account.Trail{Ended: trail.Ended, Cause: account.NoServer, Connected: account.Never, FirstUp: account.Never, FirstDown: account.Never, Lasted: time.Millisecond}
	odd := unserved
	odd.Server, odd.Why = "a \"b\" \\ c=d\n\xe4", "hash"
	for _, test := range []struct {
		trail  account.Trail
		format Format
		want   string
	}{
		{trail, JSON, `{"time":"2026-11-23T09:30:00.125Z","client":"192.0.2.7:4711","server":"www1:80","why":"affinity","cause":"server_reset","error":"connection reset by peer","connection":12,"connected":0.000250,"first_up":0.000300,"lasted":2.000000,"bytes_up":60,"bytes_down":0}`},
		{trail, Logfmt, `time=2026-11-23T09:30:00.125Z client=192.0.2.7:4711 server=www1:80 why=affinity cause=server_reset error="connection reset by peer" connection=12 connected=0.000250 first_up=0.000300 lasted=2.000000 bytes_up=60 bytes_down=0`},
		{unserved, JSON, `{"time":"2026-11-23T09:30:00.125Z","client":"unix","cause":"no_server","connection":0,"lasted":0.001000,"bytes_up":0,"bytes_down":0}`},
		{odd, Logfmt, `time=2026-11-23T09:30:00.125Z client=unix server="a \"b\" \\ c=d\u000a\u00e4" why=hash cause=no_server connection=0 lasted=0.001000 bytes_up=0 bytes_down=0`},
		{odd, JSON, `{"time":"2026-11-23T09:30:00.125Z","client":"unix","server":"a \"b\" \\ c=d\u000a\u00e4","why":"hash","cause":"no_server","connection":0,"lasted":0.001000,"bytes_up":0,"bytes_down":0}`},
	} {
		got := string(test.format.append(nil, &test.trail))
		if got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
		if test.format == JSON && !json.Valid([]byte(got)) {
			t.Errorf("not JSON: %s", got)
		}
	}
}

// The longest line there can be fits its place in the ring.
func TestLongestEndingFits(t *testing.T) {
	long := trail
	long.Client = netip.MustParseAddrPort("[2001:db8:1111:2222:3333:4444:5555:6666%interface9]:65535")
	long.Server, long.Why, long.Errno = strings.Repeat("\x00", 1000), "leastconn", syscall.EAFNOSUPPORT
	long.Up, long.Down, long.Number, long.Lasted, long.FirstDown = 1<<64-1, 1<<64-1, 1<<31, 1<<62, 1<<42
	if n := len(JSON.append(nil, &long)); n > maxEnding || n < maxEnding*3/4 {
		t.Errorf("%d bytes", n)
	}
}

func TestEndingsAreLogged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	l, err := OpenEndings(name, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := Witness{l, Logfmt}
	if n := testing.AllocsPerRun(100, func() { w.Closed(&trail) }); n != 0 {
		t.Errorf("an ending allocates %v times", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	content, _ := os.ReadFile(name)
	if n := strings.Count(string(content), "cause=server_reset"); n != 101 || strings.Count(string(content), "\n") != n {
		t.Errorf("%d endings in the log, want 101", n)
	}
	w.Closed(&trail)
	if l.Dropped() != 1 {
		t.Error("an ending after the end is not counted")
	}
}
