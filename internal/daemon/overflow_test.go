package daemon

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNetstatValue(t *testing.T) {
	const text = "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPHPHits\nTcpExt: 0 12 18446744073709551615 7\nIpExt: InNoRoutes ListenDrops\nIpExt: 3 4\n"
	for _, c := range []struct {
		text, group, name string
		want              uint64
		fails             bool
	}{
		{text, "TcpExt", "ListenOverflows", 12, false},
		{text, "TcpExt", "ListenDrops", 1<<64 - 1, false},
		{text, "IpExt", "ListenDrops", 4, false},
		{text, "MPTcpExt", "ListenDrops", 0, true},
		{text, "TcpExt", "Listen", 0, true},
		{"", "TcpExt", "ListenDrops", 0, true},
		{"TcpExt: ListenDrops", "TcpExt", "ListenDrops", 0, true},
		{"TcpExt: ListenDrops\nTcpExt: many\n", "TcpExt", "ListenDrops", 0, true},
		{"TcpExt: A ListenDrops\nTcpExt: 1\n", "TcpExt", "ListenDrops", 0, true},
	} {
		if got, err := netstatValue(c.text, c.group, c.name); got != c.want || (err != nil) != c.fails {
			t.Errorf("%q %s %s: %d, %v", c.text, c.group, c.name, got, err)
		}
	}
}

// It is said once for each look that has found more, and the file is read anew each time.
func TestOverflowsAreComplainedAbout(t *testing.T) {
	name := filepath.Join(t.TempDir(), "netstat")
	write := func(overflows string) {
		if err := os.WriteFile(name, []byte("TcpExt: ListenOverflows ListenDrops\nTcpExt: "+overflows+" 9\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("5")
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	n := &netstat{file: file}
	defer n.close()
	n.seen, _ = n.overflows()
	var log bytes.Buffer
	for _, step := range []struct {
		overflows, want string
	}{{"5", ""}, {"8", "times=3"}, {"8", ""}, {"9", "times=1"}} {
		write(step.overflows)
		log.Reset()
		n.complain(slog.New(slog.NewTextHandler(&log, nil)), 1, 2)
		if got := log.String(); !strings.Contains(got, step.want) || (got == "") != (step.want == "") {
			t.Errorf("at %s: %q", step.overflows, got)
		}
	}
	if o, d := new(netstat).overflows(); o != 0 || d != 0 {
		t.Errorf("without a file: %d, %d", o, d)
	}
}

func TestTheKernelHasTheCounters(t *testing.T) {
	text, err := os.ReadFile("/proc/net/netstat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ListenOverflows", "ListenDrops"} {
		if _, err := netstatValue(string(text), "TcpExt", name); err != nil {
			t.Error(err)
		}
	}
}
