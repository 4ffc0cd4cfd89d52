package main

import (
	"io"
	"math"
	"net"
	"slices"
	"testing"
	"time"
)

// marksOf makes a mark every 10 ms with so many units since the one before.
func marksOf(units ...int64) []mark {
	var all []mark
	var sum int64
	for i, u := range units {
		sum += u
		all = append(all, mark{int64(i) * 10e6, sum})
	}
	return all
}

func TestRecovery(t *testing.T) {
	calm := slices.Repeat([]int64{100}, 30)
	then := func(units ...int64) []mark { return marksOf(slices.Concat(calm, units, calm)...) }
	const began = 300e6 - 5e6 // between the last calm mark and the next
	for name, c := range map[string]struct {
		all   []mark
		ended int64
		back  time.Duration
		ok    bool
	}{
		"not to be felt":      {then(slices.Repeat([]int64{95}, 20)...), 500e6, 0, true},
		"200 ms of nothing":   {then(make([]int64, 20)...), 450e6, 195 * time.Millisecond, true},
		"half for 100 ms":     {then(slices.Repeat([]int64{50}, 10)...), 400e6, 85 * time.Millisecond, true},
		"up for a moment":     {then(slices.Concat(make([]int64, 5), slices.Repeat([]int64{80}, 6), make([]int64, 10))...), 500e6, 205 * time.Millisecond, true},
		"never":               {marksOf(slices.Concat(calm, make([]int64, 20))...), 400e6, 195 * time.Millisecond, false},
		"later and unrelated": {then(slices.Concat(slices.Repeat([]int64{100}, 20), make([]int64, 9))...), 400e6, 0, true},
		"no marks before":     {marksOf(1), 400e6, 0, false},
	} {
		back, ok := recovery(c.all, began, c.ended)
		if ok != c.ok || math.Abs(float64(back-c.back)) > 15e6 {
			t.Errorf("%s: %v, %v, want %v, %v", name, back, ok, c.back, c.ok)
		}
	}
}

func burstShape(n int) shape {
	return shape{Conns: n, Clients: clientAddrs, Up: smallUp, Down: smallDown, HangUp: true}
}

// runBurst begins n connections to addr at once.
func runBurst(t *testing.T, n int, addr string, limit time.Duration) (storm, *tally) {
	t.Helper()
	to, err := job{Targets: []string{addr}}.targets()
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBurst(burstShape(n), to, limit)
	if err != nil {
		t.Fatal(err)
	}
	tally := newTally()
	found, err := b.run(tally)
	if err != nil {
		t.Fatal(err)
	}
	return found, tally
}

func TestBurst(t *testing.T) {
	port, release, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	nobody := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()
	for name, c := range map[string]struct {
		addr   string
		served int
		errors bool
	}{
		"served":      {testServers(t)[0], 200, false},
		"refused":     {nobody, 0, false},
		"cut short":   {badServer(t, curt), 0, false},
		"wrong bytes": {badServer(t, liar), 0, true},
	} {
		found, tally := runBurst(t, 200, c.addr, stormLimit)
		if want := (storm{Attempted: 200, Served: c.served, Failed: 200 - c.served}); found != want {
			t.Errorf("%s: %+v, want %+v", name, found, want)
		}
		if n, first := tally.report(); (n > 0) != c.errors {
			t.Errorf("%s: %d errors: %s", name, n, first)
		}
	}
}

// Who is never answered has failed, in the end.
func TestBurstEnds(t *testing.T) {
	silent := badServer(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	const limit = 200 * time.Millisecond
	began := time.Now()
	if found, _ := runBurst(t, 5, silent, limit); found.Failed != 5 {
		t.Errorf("%+v", found)
	}
	if d := time.Since(began); d < limit || d > limit+startLimit {
		t.Errorf("took %v", d)
	}
}
