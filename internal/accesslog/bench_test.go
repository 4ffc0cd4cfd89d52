package accesslog

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"
)

// What a loop pays for a line while the writer writes; the two machines' worth of callers of BenchmarkLineContended never do anything else, which no loop can.
// Lines that found the batch full are given in percent: they cost less than kept ones.

func BenchmarkLine(b *testing.B) {
	l := benchLog(b)
	b.ReportAllocs()
	for b.Loop() {
		l.Line(now, v4, "10.0.0.1", get)
	}
	b.ReportMetric(100*float64(l.Dropped())/float64(b.N), "%dropped")
}

func BenchmarkLineContended(b *testing.B) {
	l := benchLog(b)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			l.Line(now, v4, "10.0.0.1", get)
		}
	})
	b.ReportMetric(100*float64(l.Dropped())/float64(b.N), "%dropped")
}

var (
	now = time.Date(2023, 11, 14, 22, 13, 20, 5e8, time.UTC).UnixNano()
	v4  = netip.MustParseAddr("192.168.100.200")
	v6  = netip.MustParseAddr("2001:db8::17")
	get = []byte("GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n")
)

func benchLog(b *testing.B) *Log {
	l, err := Open("/dev/null", slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	return l
}
