package accesslog

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// quiet is for logs that may drop lines without anyone asking what was said.
var quiet = slog.New(slog.DiscardHandler)

// strict fails the test for any line dropped.
func strict(t *testing.T) *slog.Logger {
	return slog.New(&recorder{said: func(text string) { t.Errorf("reported: %s", text) }})
}

// recorder hands each record on as text: the message and its attributes.
type recorder struct {
	slog.Handler
	said func(text string)
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }

func (r *recorder) Handle(_ context.Context, record slog.Record) error {
	var b strings.Builder
	b.WriteString(record.Message)
	record.Attrs(func(a slog.Attr) bool {
		b.WriteString(" " + a.String())
		return true
	})
	r.said(b.String())
	return nil
}

// record returns a logger and a channel of what it was told.
func record() (*slog.Logger, <-chan string) {
	said := make(chan string, 100)
	return slog.New(&recorder{said: func(text string) { said <- text }}), said
}

// opened returns an open log, closed at the end of the test if not before.
func opened(t testing.TB, dest string, report *slog.Logger) *Log {
	t.Helper()
	l, err := Open(dest, report)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, l) })
	return l
}

func closed(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// patience is far above what anything here takes on a busy machine.
const patience = 20 * time.Second

// until waits for a condition that nothing announces.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for start := time.Now(); !holds(); time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func content(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// place is a file name in a directory of the test's own.
func place(t testing.TB) string { return filepath.Join(t.TempDir(), "log") }

// brokenSink takes as many bytes as allow says of each write, and refuses the rest.
type brokenSink struct {
	allow func(n int) int

	// guarded by mu
	mu    sync.Mutex
	taken []byte
}

func (s *brokenSink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.allow(len(b))
	s.taken = append(s.taken, b[:n]...)
	if n < len(b) {
		return n, os.ErrDeadlineExceeded
	}
	return n, nil
}

func (s *brokenSink) Close() error                     { return nil }
func (s *brokenSink) SetWriteDeadline(time.Time) error { return nil }
