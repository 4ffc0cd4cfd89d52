package main

import (
	"context"
	"io"
	"math"
	"net"
	"testing"
	"time"
)

func TestLatencyOf(t *testing.T) {
	h := newHistogram()
	for i := range int64(1000) {
		if err := h.RecordValue((i + 1) * int64(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	l := latencyOf(h)
	for name, c := range map[string][2]float64{"p50": {l.P50, 0.5}, "p90": {l.P90, 0.9}, "p99": {l.P99, 0.99}, "p99.9": {l.P999, 0.999}, "max": {l.Max, 1}} {
		if math.Abs(c[0]/c[1]-1) > 0.002 {
			t.Errorf("%s is %g, want %g", name, c[0], c[1])
		}
	}
	// 0, then 8 for each of 3 nines, and the maximum.
	if len(l.Curve) != 26 || l.Curve[0].Quantile != 0 || math.Abs(l.Curve[8].Quantile-0.9) > 1e-9 || l.Curve[25] != (point{1, l.Max}) {
		t.Errorf("curve %v", l.Curve)
	}
	for i := 1; i < len(l.Curve); i++ {
		if l.Curve[i].Quantile <= l.Curve[i-1].Quantile || l.Curve[i].Seconds < l.Curve[i-1].Seconds {
			t.Errorf("curve %v falls at %d", l.Curve, i)
		}
	}
}

func TestLatencyOfNothing(t *testing.T) {
	if l := latencyOf(newHistogram()); l.Max != 0 || l.P50 != 0 || len(l.Curve) != 0 {
		t.Errorf("%+v", l)
	}
}

// Only what was due in the window counts.
func TestNote(t *testing.T) {
	tally := newTally()
	s := &sender{tally: tally, late: newHistogram()}
	s.note(5e6, 6e6)
	tally.from.Store(10e6)
	s.note(9e6, 50e6)
	s.note(10e6, 11e6)
	tally.to.Store(20e6)
	s.note(19e6, 99e6)
	s.note(20e6, 21e6)
	if n := s.late.TotalCount(); n != 2 {
		t.Errorf("%d latencies, want 2", n)
	}
	if most := s.late.Max(); most < 79e6 || most > 81e6 {
		t.Errorf("the longest is %d ns, want 80 ms", most)
	}
	s.note(15e6, 15e6+2*int64(longestLatency))
	if s.late.TotalCount() != 3 {
		t.Error("what is longer than the histogram reaches is left out")
	}
}

// A server that stands still makes late all that is due meanwhile, not just the one request that waits: no coordinated omission.
func TestLatencyOmitsNothing(t *testing.T) {
	t.Parallel()
	const pause = 300 * time.Millisecond
	slow := badServer(t, func(c net.Conn) {
		b := make([]byte, headerSize+smallDown)
		stall := time.After(400 * time.Millisecond)
		for {
			if _, err := io.ReadFull(c, b[:headerSize+smallUp]); err != nil {
				return
			}
			select {
			case <-stall:
				time.Sleep(pause)
			default:
			}
			ask := getHeader(b)
			answerTo(ask).put(b)
			copy(b[headerSize:], body(ask.Tag, downBody, ask.Down))
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	j := testJob(t, "latency-50", []string{slow})
	j.Shape.Conns, j.Shape.Rate, j.Warm, j.Window = 1, 500, 200*time.Millisecond, time.Second
	o, err := drive(context.Background(), j)
	if err != nil || o.Errors != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	// About 150 of 500 were due in the pause, evenly spread: a tenth of all waited 200 ms or more. The one that waits alone would be one in 500.
	if l := o.Latency; l.P90 < 0.1 || l.Max < pause.Seconds() || l.Offered != 500 {
		t.Errorf("%+v", l)
	}
}

// What is offered beyond what can be done is counted as late, and is no error.
func TestLatencyOfOverload(t *testing.T) {
	t.Parallel()
	slow := badServer(t, func(c net.Conn) {
		b := make([]byte, headerSize+smallDown)
		for {
			if _, err := io.ReadFull(c, b[:headerSize+smallUp]); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
			ask := getHeader(b)
			answerTo(ask).put(b)
			copy(b[headerSize:], body(ask.Tag, downBody, ask.Down))
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	j := testJob(t, "latency-50", []string{slow})
	j.Shape.Conns, j.Shape.Rate = 1, 2000
	o, err := drive(context.Background(), j)
	if err != nil || o.Errors != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	if l := o.Latency; l.Achieved > 200 || l.P50 < drainLimit.Seconds() {
		t.Errorf("%+v", l)
	}
}
