package web

import (
	"strings"
	"testing"
	"time"
)

func TestImbalance(t *testing.T) {
	var m imbalance
	now := noon
	for step, c := range []struct {
		after    time.Duration
		accepted []uint64
		want     float64
	}{
		{0, []uint64{30, 10, 20}, 1.5}, // since the start
		{9 * time.Second, []uint64{90, 10, 20}, 1.5},
		{time.Second, []uint64{60, 10, 50}, 1.5}, // 30, 0, 30
		{10 * time.Second, []uint64{60, 10, 50}, 1},
		{time.Hour, []uint64{60, 10, 80}, 3},
	} {
		now = now.Add(c.after)
		var loops []Loop
		for _, n := range c.accepted {
			loops = append(loops, Loop{Accepted: n})
		}
		if got := m.measure(loops, now); got != c.want {
			t.Errorf("step %d: %v, want %v", step, got, c.want)
		}
	}
}

func TestTexts(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0 µs", 60e-6: "60 µs", .0009994: "999 µs", .0009996: "1.0 ms", .0123: "12 ms", 1.26: "1.3 s", 75: "75 s"} {
		if got := strings.ReplaceAll(timeText(&seconds), "\u202f", " "); got != want {
			t.Errorf("%v: %q, want %q", seconds, got, want)
		}
	}
	if got := timeText(nil); got != "–" {
		t.Errorf("none: %q", got)
	}
	if got := endingsText(map[string]uint64{"idle": 2, "server_fin": 1000, "client_fin": 2}); got != "server fin 1\u202f000, client fin 2, idle 2" {
		t.Errorf("endings: %q", got)
	}
	for busy, want := range map[float64]string{0: "0\u202f%", 5: "50\u202f%", 12: "100\u202f%"} {
		if got := shareText(busy, 10*time.Second); got != want {
			t.Errorf("%v of 10 s: %q, want %q", busy, got, want)
		}
	}
}
