package main

import (
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestStand(t *testing.T) {
	p := &progress{}
	p.Start(40, 1500*time.Millisecond)
	now := p.began
	if got := p.stand(now); got != "  0%  1:00 left" {
		t.Errorf("at the start: %q", got)
	}
	p.since = now
	if got := p.stand(now.Add(time.Second)); got != "  0%  0:59 left" {
		t.Errorf("a second later: %q", got)
	}
	// However long the first step takes, the other 39 are still to come.
	if got := p.stand(now.Add(time.Minute)); got != "  0%  0:59 left" {
		t.Errorf("a minute later: %q", got)
	}
	p.done, p.missed, p.since = 10, 10, time.Time{}
	if got := p.stand(now.Add(20 * time.Second)); got != " 50%  0:40 left" {
		t.Errorf("half way: %q", got)
	}
	p.since = now.Add(20 * time.Second)
	if got := p.stand(now.Add(21 * time.Second)); got != " 50%  0:39 left" {
		t.Errorf("in the 21st step: %q", got)
	}
	p.done = 30
	if got := p.stand(now.Add(300 * time.Second)); got != "100%  0:00 left" {
		t.Errorf("at the end: %q", got)
	}
}

func TestProgressLine(t *testing.T) {
	p := &progress{steps: 4, done: 1, now: "round 1/1  keepalive-64  pen", last: "120 000/s", began: time.Now()}
	p.since = p.began
	got := p.line(p.began)
	if want := "████░░░░░░░░░░░░  25%  0:00 left  round 1/1  keepalive-64  pen   (before: 120 000/s)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFound(t *testing.T) {
	for want, m := range map[string]measurement{
		"12 000/s":                         ok(0, 12000, 0.5, 1),
		"failed: i/o timeout":              failedMeasurement(os.ErrDeadlineExceeded),
		"p50 100 µs, p99 1.20 ms at 10/s":  {Units: 1, Latency: &latency{Offered: 10, P50: 1e-4, P99: 1.2e-3}},
		"412 B per connection":             {Units: 1, Idle: &idle{5000, 412}},
		"4 900 served, recovery in 250 ms": {Units: 1, Storm: &storm{5000, 4900, 100, 0.25}},
	} {
		if got := found(m, request); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// On what is no terminal each measurement gets a line, and nothing runs beside.
func TestProgressInAFile(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := newProgress(f)
	p.Say("building pen")
	p.Start(2, time.Second)
	p.Step("one")
	p.Done(&cell{Rounds: []measurement{ok(0, 5, 0, 0)}}, request)
	p.Omit()
	p.Clear()
	got := strings.Split(contents(f.Name()), "\n")
	if len(got) != 3 || got[0] != "building pen" || got[1] != " 50%  0:00 left  one  5/s" || got[2] != "" {
		t.Errorf("%q", got)
	}
}

// On a terminal the line is written over, is never wider than the terminal, and is gone in the end.
func TestProgressOnATerminal(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := &progress{out: f, width: 40}
	p.Start(1, time.Second)
	p.Step(strings.Repeat("x", 100))
	p.Clear()
	p.Clear()
	shown := strings.Split(contents(f.Name()), "\r\x1b[K")
	if shown[len(shown)-1] != "" {
		t.Errorf("the line stays: %q", shown)
	}
	for _, line := range shown {
		if strings.Contains(line, "\n") || utf8.RuneCountInString(line) >= 40 {
			t.Errorf("line %q", line)
		}
	}
}
