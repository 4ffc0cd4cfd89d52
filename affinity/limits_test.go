package affinity

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func rate(t testing.TB, text string) Rate {
	t.Helper()
	var r Rate
	if err := r.Set(text); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRateIsReadAndWritten(t *testing.T) {
	for text, want := range map[string]Rate{
		"0":             {},
		"20/s":          {20, 1, 40},
		"3/s":           {3, 1, 10},
		"10000/s":       {10_000, 1, 10_000},
		"20/s:1":        {20, 1, 1},
		"100/m":         {100, 60, 10},
		"6000/m":        {6000, 60, 200},
		"600000/m":      {600_000, 60, 10_000},
		"1/h":           {1, 3600, 1},
		"5/h":           {5, 3600, 5},
		"36000000/h:10": {36_000_000, 3600, 10},
		"10000/h:10000": {10_000, 3600, 10_000},
	} {
		got := rate(t, text)
		var again Rate
		if err := again.Set(got.String()); got != want || err != nil || again != got {
			t.Errorf("%s is %+v, want %+v; written %q and read %+v, %v", text, got, want, got.String(), again, err)
		}
	}
	for text, want := range map[string]string{
		"":               "is not a rate",
		"20":             "is not a rate",
		"20/":            "is not a rate",
		"/s":             "is not a rate",
		"-1/s":           "is not a rate",
		"+1/s":           "is not a rate",
		"0/s":            "is not a rate",
		"1.5/s":          "is not a rate",
		"20/d":           "is not a rate",
		"20/s:":          "is not a rate",
		"20/s:0":         "is not a rate",
		"20/s:5:6":       "is not a rate",
		"9999999999/s":   "is not a rate",
		"999999999/h":    "want 1/h to 10000/s",
		"10001/s":        "want 1/h to 10000/s",
		"20/s:10001":     "want a burst of 1 to 10000",
		"1/h:2":          "want at most 1",
		"10/m:601":       "want at most 600",
		"20/s:999999999": "want a burst of 1 to 10000",
	} {
		r := Rate{1, 1, 1}
		if err := r.Set(text); err == nil || !strings.Contains(err.Error(), want) || r != (Rate{1, 1, 1}) {
			t.Errorf("%q gives %+v and error %v, want %q", text, r, err, want)
		}
	}
}

func TestLimitsOutOfBounds(t *testing.T) {
	for _, l := range []Limits{{Conns: -1}, {Conns: MaxConns + 1}, {Rate: Rate{1, 7, 1}}, {Rate: Rate{0, 1, 1}}, {Rate: Rate{1, 1, 0}}} {
		if l.Validate() == nil {
			t.Errorf("%+v is taken", l)
		}
	}
	for _, l := range []Limits{{}, {Conns: MaxConns}, {Conns: 1, Rate: Rate{10_000, 1, 10_000}}} {
		if err := l.Validate(); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

// The decision alone: what is live, what the bucket held and when, and what comes of it.
func TestJudge(t *testing.T) {
	r := Rate{Count: 10, Per: 1, Burst: 3} // steps of 65534/13 = 5041, so 50410 a second
	const at = 1_700_000_000
	for _, c := range []struct {
		name string
		l    Limits
		live uint16
		debt uint16
		ago  uint32        // seconds since it was seen
		now  time.Duration // within the second
		want Verdict
		left uint16
	}{
		{name: "no limit", live: 60000, debt: 50000, want: Admitted},
		{name: "one below", l: Limits{Conns: 3}, live: 2, want: Admitted},
		{name: "as many as it may have", l: Limits{Conns: 3}, live: 3, want: TooMany},
		{name: "more than that", l: Limits{Conns: 3}, live: 60000, want: TooMany},
		{name: "a new bucket", l: Limits{Rate: r}, want: Admitted, left: 5041},
		{name: "one in it", l: Limits{Rate: r}, debt: 5041, want: Admitted, left: 2 * 5041},
		{name: "two in it", l: Limits{Rate: r}, debt: 2 * 5041, want: Admitted, left: 3 * 5041},
		{name: "full", l: Limits{Rate: r}, debt: 3 * 5041, want: TooFast, left: 3 * 5041},
		{name: "a step too early", l: Limits{Rate: r}, debt: 3 * 5041, now: 100*time.Millisecond - 1, want: TooFast, left: 3 * 5041},
		{name: "just in time", l: Limits{Rate: r}, debt: 3 * 5041, now: 100 * time.Millisecond, want: Admitted, left: 4 * 5041},
		{name: "run empty", l: Limits{Rate: r}, debt: 3 * 5041, now: 900 * time.Millisecond, want: Admitted, left: 10 * 5041},
		{name: "full a second ago", l: Limits{Rate: r}, debt: 65535, ago: 1, want: TooFast, left: 65535 - 50410},
		{name: "full an hour ago", l: Limits{Rate: r}, debt: 65535, ago: 3600, want: Admitted, left: 5041},
		{name: "too many come first and cost nothing", l: Limits{Conns: 1, Rate: r}, live: 1, debt: 3 * 5041, want: TooMany, left: 3 * 5041},
		{name: "too many, a second on", l: Limits{Conns: 1, Rate: r}, live: 1, debt: 65535, ago: 1, want: TooMany, left: 65535 - 50410},
	} {
		v, left := c.l.judge(c.live, at-c.ago, c.debt, at*second+int64(c.now))
		if v != c.want || left != c.left {
			t.Errorf("%s: %d, %d left; want %d, %d", c.name, v, left, c.want, c.left)
		}
	}
	// A caller whose clock lags by a second: the due time is what it was.
	if _, left := (Limits{Rate: r}).judge(0, at, 3*5041, (at-1)*second); left != 3*5041+50410 {
		t.Errorf("%d left a second before", left)
	}
}

func TestForeseeSaysWhatAdmitWillSay(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	for range 300 {
		l := Limits{Conns: rng.IntN(8), Rate: Rate{Count: 1 + uint32(rng.IntN(30)), Per: 1, Burst: 1 + uint32(rng.IntN(12))}}
		table, k, now := heapTable(4, 0, layoutFor(4)), client(1), start
		for range 20 {
			now += rng.Int64N(second / 4)
			e, _ := table.Peek(k, now)
			want, atOnce := l.Foresee(e, now)
			for n := range min(atOnce, 3) { // as many are let in, without a wait
				if _, v := table.Admit(k, now, l); v != Admitted || want != Admitted {
					t.Fatalf("%+v: connection %d of %d is told %d, foreseen %d", l, n, atOnce, v, want)
				}
			}
			if atOnce < 3 {
				if _, v := table.Admit(k, now, l); v == Admitted || atOnce == 0 && v != want {
					t.Fatalf("%+v: %d foreseen at once and one more is told %d, foreseen %d", l, atOnce, v, want)
				}
			}
			if rng.IntN(2) == 0 {
				table.Leave(k, 0, 0)
			}
		}
	}
	if v, atOnce := (Limits{}).Foresee(Entry{Live: 9}, start); v != Admitted || atOnce != math.MaxInt {
		t.Errorf("without limits: %d, %d at once", v, atOnce)
	}
}

// exact is GCRA in fractions: what a rate would be with all the memory in the world.
type exact struct {
	interval, tolerance, due *big.Rat // seconds
}

func newExact(r Rate) *exact {
	interval := big.NewRat(int64(r.Per), int64(r.Count))
	return &exact{interval, new(big.Rat).Mul(interval, big.NewRat(int64(r.Burst-1), 1)), new(big.Rat)}
}

func (x *exact) arrive(now int64) bool {
	at := big.NewRat(now, second)
	if new(big.Rat).Sub(x.due, at).Cmp(x.tolerance) > 0 {
		return false
	}
	if x.due.Cmp(at) < 0 {
		x.due.Set(at)
	}
	x.due.Add(x.due, x.interval)
	return true
}

// Sixteen bits do what fractions do, over any time, under a flood, at a trickle and with pauses: never more than one connection apart,
// but for those of a rate with few steps to an interval that come within a step of their time.
func TestRateIsExact(t *testing.T) {
	for _, text := range []string{"1/s:1", "1/s", "3/s:7", "7/s", "20/s", "100/s:1", "999/s:17", "10000/s", "10000/s:1", "1/m:1", "7/m:11", "100/m:13", "59999/m:77", "1/h", "7/h:7", "9999/h:3000", "10000/h:10000"} {
		r := rate(t, text)
		rng := rand.New(rand.NewPCG(20261123, uint64(r.Count)))
		interval, step := int64(r.Per)*second/int64(r.Count), int(r.bucket(0, 0, 0).step)
		for _, pace := range []float64{0.1, 0.9, 1.1, 20} { // arrivals in each interval
			table, x, now, k := heapTable(4, 0, layoutFor(4)), newExact(r), start, client(1)
			got, want := 0, 0
			for n := range 2500 {
				if _, v := table.Admit(k, now, Limits{Rate: r}); v == Admitted {
					got++
				}
				if x.arrive(now) {
					want++
				}
				if apart := 1 + want/step; got < want-apart || got > want+apart {
					t.Fatalf("%s, %g arrivals an interval: %d of %d admitted, want %d", text, pace, got, n+1, want)
				}
				now += int64(rng.ExpFloat64() * float64(interval) / pace)
				if rng.IntN(500) == 0 {
					now += int64(r.Burst) * interval / 2
				}
			}
		}
	}
}

// Over a long flood the bucket's cut of arrival times does not add up: the rate is exact.
func TestRateDoesNotDrift(t *testing.T) {
	for _, text := range []string{"10000/s", "7/s:3", "10000/h:10000", "59999/m:77"} {
		r := rate(t, text)
		table, k := heapTable(4, 0, layoutFor(4)), client(1)
		interval := int64(r.Per) * second / int64(r.Count)
		got, arrivals := 0, int64(200_000)
		for n := range arrivals {
			if _, v := table.Admit(k, start+n*interval/2, Limits{Rate: r}); v == Admitted {
				got++
			}
		}
		passed := (arrivals - 1) * (interval / 2)
		want := int(r.Burst) + int(passed/interval)
		if got < want-2 || got > want+2 {
			t.Errorf("%s: %d admitted of %d in %v, want %d", text, got, arrivals, time.Duration(passed), want)
		}
	}
}

func TestRefusalCostsNothingAndIsAVisit(t *testing.T) {
	table := heapTable(2, 10*time.Second, layoutFor(2))
	l := Limits{Conns: 1, Rate: rate(t, "1/m:2")}
	table.Admit(client(1), start, l)
	table.Claim(client(1), start, 7)
	table.Visit(client(2), start)
	before, _ := table.Peek(client(1), start)
	for n := range 9 {
		home, v := table.Admit(client(1), start+int64(n)*second, l)
		if v != TooMany || home != 7 {
			t.Fatalf("verdict %d, home %d; want %d, 7", v, home, TooMany)
		}
	}
	late := start + 8*second
	after, ok := table.Peek(client(1), late)
	if !ok || after.Connects != 1 || after.Live != 1 || after.LastSeen != late/second*second {
		t.Errorf("after the refusals %+v", after)
	}
	if _, room := (Limits{Rate: l.Rate}).Foresee(before, start); room != 1 {
		t.Errorf("room for %d before", room)
	}
	if _, room := (Limits{Rate: l.Rate}).Foresee(after, late); room != 1 {
		t.Errorf("room for %d after: the refusals cost something", room)
	}
	// It was seen late: it outlives its first ttl, and the other client goes first.
	table.Leave(client(1), 0, 0)
	if table.Visit(client(3), late); !remembers(table, 1) || remembers(table, 2) {
		t.Error("a refused client is not the most recently used")
	}
}

// A bucket stays about as full as it was when another rate comes into force.
func TestRateChangesUnderway(t *testing.T) {
	table, k := heapTable(4, 0, layoutFor(4)), client(1)
	slow, fast := Limits{Rate: rate(t, "1/m:10")}, Limits{Rate: rate(t, "100/s:100")}
	for range 5 {
		table.Admit(k, start, slow)
	}
	e, _ := table.Peek(k, start)
	if _, room := fast.Foresee(e, start); room < 40 || room > 60 {
		t.Errorf("room for %d of 100 in a bucket that was half full", room)
	}
	table.Admit(k, start, Limits{})
	e, _ = table.Peek(k, start)
	if v, room := slow.Foresee(e, start); v != Admitted || room != 10 {
		t.Errorf("%d, room for %d after a time without a rate", v, room)
	}
}

// Whatever is taken for a rate can be kept, and is written as it is read.
func FuzzRate(f *testing.F) {
	for _, text := range []string{"0", "20/s", "100/m:50", "5/h", "1/h:2", "/s", "20/s:", "4294967297/s", "36000000/h:10000", ":::///"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r, again Rate
		if err := r.Set(text); err != nil {
			if r != (Rate{}) {
				t.Errorf("%q is refused and makes %+v", text, r)
			}
			return
		}
		if err := again.Set(r.String()); err != nil || again != r || r.Validate() != nil {
			t.Errorf("%q is %+v, written %q and read %+v, %v", text, r, r.String(), again, err)
		}
		if r != (Rate{}) && r.bucket(0, 0, start).step < 1 {
			t.Errorf("%v has no step", r)
		}
	})
}

func ExampleRate() {
	var r Rate
	fmt.Println(r.Set("20/s"), r)
	// Output: <nil> 20/s:40
}
