package process

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// output is a place to write to that can be blocked and broken.
type output struct {
	mu     sync.Mutex // held = blocked
	lines  []string
	broken bool
	closed bool
	wrote  chan struct{} // gets a word for each write begun
}

func newOutput() *output { return &output{wrote: make(chan struct{}, 10*queueLines)} }

func (o *output) write(e entry) error {
	o.wrote <- struct{}{}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken {
		return errors.New("broken")
	}
	o.lines = append(o.lines, e.text)
	return nil
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return nil
}

// await waits until the writer has begun n more writes.
func (o *output) await(t *testing.T, n int) {
	t.Helper()
	timeout := time.After(patience)
	for range n {
		select {
		case <-o.wrote:
		case <-timeout:
			t.Fatal("the writer does not write")
		}
	}
}

func TestSinkNeverBlocks(t *testing.T) {
	o := newOutput()
	o.mu.Lock()
	s := newSink(o.write, o.close)
	s.put(entry{text: "0"})
	o.await(t, 1) // the writer has taken it, and is stuck
	const beyond = 7
	for i := range queueLines + beyond { // that this loop ends is the test
		s.put(entry{text: fmt.Sprint(i + 1)})
	}
	if got := s.lost.Load(); got != beyond {
		t.Errorf("%d lost, want %d", got, beyond)
	}
	o.mu.Unlock()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(o.lines) != 1+queueLines+1 || !o.closed {
		t.Fatalf("%d lines written, closed %v", len(o.lines), o.closed)
	}
	for i, line := range o.lines[:1+queueLines] {
		if line != fmt.Sprint(i) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if got, want := o.lines[1+queueLines], "log lines lost count=7"; got != want {
		t.Errorf("ends with %q, want %q", got, want)
	}
	if s.lost.Load() != 0 {
		t.Error("the lost lines are still counted")
	}
}

func TestSinkCountsWhatCannotBeWritten(t *testing.T) {
	o := newOutput()
	o.broken = true
	s := newSink(o.write, o.close)
	s.put(entry{text: "a"})
	s.put(entry{text: "b"})
	o.await(t, 2)
	o.mu.Lock() // the second may still be in write, and then sees it mended
	o.broken = false
	o.mu.Unlock()
	s.put(entry{text: "c"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(o.lines, "|")
	if got != "c|log lines lost count=2" && got != "b|log lines lost count=1|c" && got != "b|c|log lines lost count=1" {
		t.Errorf("wrote %s", got)
	}
}

func TestSinkCloseDoesNotHang(t *testing.T) {
	o := newOutput()
	o.mu.Lock()
	s := newSink(o.write, o.close)
	s.put(entry{text: "stuck"})
	o.await(t, 1)
	s.put(entry{text: "waiting"})
	if err := s.Close(); err == nil || err.Error() != "write the log: 1 lines still waiting after 1s" {
		t.Errorf("got %v", err)
	}
	o.mu.Unlock()
	if err := s.Close(); err != nil { // once more, now that it can
		t.Error(err)
	}
	if got := strings.Join(o.lines, "|"); got != "stuck|waiting" {
		t.Errorf("wrote %s", got)
	}
	for range 2 * queueLines {
		s.put(entry{text: "late"}) // harmless
	}
}

func TestSinkFromManyGoroutines(t *testing.T) {
	o := newOutput()
	s := newSink(o.write, o.close)
	log := slog.New(&handler{least: slog.LevelInfo, sink: s})
	const writers, each = 8, 100 // fewer than the queue holds
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			mine := log.With("writer", w)
			for i := range each {
				mine.Info("line", "i", i)
			}
		})
	}
	group.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	next := map[string]int{}
	for _, line := range o.lines {
		var w, i int
		if _, err := fmt.Sscanf(line, "line writer=%d i=%d", &w, &i); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		key := fmt.Sprint(w)
		if next[key] != i {
			t.Fatalf("writer %d: line %d where %d was due", w, i, next[key])
		}
		next[key]++
	}
	if len(o.lines) != writers*each {
		t.Errorf("%d lines, want %d", len(o.lines), writers*each)
	}
}
