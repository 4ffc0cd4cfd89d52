package daemon

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"

	"pen/internal/accesslog"
)

// What any log lost stays counted, whenever it lost it, and never twice.
func TestLinesLostOverAllLogs(t *testing.T) {
	d := new(Daemon)
	want := uint64(0)
	holds := func() {
		t.Helper()
		if got := d.linesLost(); got != want {
			t.Errorf("%d lines lost, want %d", got, want)
		}
	}
	holds()
	for range 3 {
		next, err := accesslog.Open(filepath.Join(t.TempDir(), "log"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Close(); err != nil { // a line for a closed log is lost
			t.Fatal(err)
		}
		last, counted := d.replaceLog(next)
		holds()
		for _, l := range []*accesslog.Log{next, last} {
			if l != nil {
				lose(l)
				want++
			}
		}
		if last != nil {
			d.loseLines(last.Dropped() - counted)
		}
		holds()
	}
	d.replaceLog(nil)
	holds()
}

func lose(l *accesslog.Log) { l.Line(0, netip.Addr{}, "server", []byte("GET /")) }
