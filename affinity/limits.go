package affinity

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Limits is what one client may have. The zero Limits refuses nothing.
type Limits struct {
	Conns int  // live connections at once, at most MaxConns; 0 = any number
	Rate  Rate // of new connections
}

// MaxConns is the largest number of live connections that an entry can count.
const MaxConns = math.MaxUint16

// Verdict is what becomes of a client's new connection.
type Verdict uint8

// The verdicts. A client that has too many connections is not asked how fast it makes them.
const (
	Admitted Verdict = iota
	TooMany          // live connections: it has as many as it may
	TooFast          // new connections: its bucket is full
)

// Validate returns an error for limits that cannot be kept.
func (l Limits) Validate() error {
	if l.Conns < 0 || l.Conns > MaxConns {
		return fmt.Errorf("%d connections of one client: want 1 to %d, or 0 for any number", l.Conns, MaxConns)
	}
	return l.Rate.Validate()
}

// Foresee says what the client's next connection would meet at now, and how many could begin at once; math.MaxInt without a limit. It changes nothing.
func (l Limits) Foresee(e Entry, now int64) (v Verdict, atOnce int) {
	seen := seconds(e.LastSeen)
	v, _ = l.judge(e.Live, seen, e.Debt, now)
	atOnce = math.MaxInt
	if l.Rate != (Rate{}) {
		b := l.Rate.bucket(seen, e.Debt, now)
		atOnce = int(max(b.now+int64(l.Rate.Burst)*b.step-max(b.due, b.now), 0) / b.step)
	}
	if l.Conns > 0 {
		atOnce = min(atOnce, max(l.Conns-int(e.Live), 0))
	}
	return v, atOnce
}

// judge says what becomes of a new connection of a client with so many live ones, whose bucket held debt at second seen, and what the bucket holds after it, at the second of now.
func (l Limits) judge(live uint16, seen uint32, debt uint16, now int64) (Verdict, uint16) {
	v := Admitted
	if l.Conns > 0 && int(live) >= l.Conns {
		v = TooMany
	}
	if l.Rate == (Rate{}) {
		return v, 0
	}
	b := l.Rate.bucket(seen, debt, now)
	switch {
	case v != Admitted:
	case b.due > b.now+int64(l.Rate.Burst-1)*b.step:
		v = TooFast
	default:
		b.due = max(b.due, b.now) + b.step
	}
	return v, b.debt()
}

// Rate is how many connections a client may begin: Count every Per, and up to Burst of them at once. The zero Rate is none: as many as it likes.
//
// It is kept by the virtual scheduling algorithm (GCRA, ITU-T I.371): a connection that comes at its due time or later moves that time on by the interval Per/Count, and one may come up to Burst-1
// intervals early. An entry keeps the due time as what it is ahead of the second in which the client was last seen, its debt, in 16 bits.
//
// The clock of a rate counts steps, whole ones for an interval, as many as 16 bits leave room for (65534 / (Burst + Count/Per)): with that nothing is rounded when the debt is carried from one second
// to the next, however often, and the rate is exact. What is cut is the time of an arrival, by less than a step: a 1092nd of the interval for 20/s:40, a third of it at worst, for 10000/s:10000.
type Rate struct {
	Count uint32
	Per   uint32 // seconds: 1, 60 or 3600
	Burst uint32
}

// Bounds of a rate.
const (
	maxPerSecond = 10_000
	maxBurst     = 10_000
	maxWindow    = 3600 // seconds that a full bucket may take to run empty
)

// Validate returns an error for a rate out of bounds.
func (r Rate) Validate() error {
	switch {
	case r == Rate{}:
	case r.Per != 1 && r.Per != 60 && r.Per != 3600:
		return fmt.Errorf("a rate of %d in %d s: want one in 1, 60 or 3600 s", r.Count, r.Per)
	case r.Count < 1 || r.Count > maxPerSecond*r.Per:
		return fmt.Errorf("rate %v: want 1/h to %d/s", r, maxPerSecond)
	case r.Burst < 1 || r.Burst > maxBurst:
		return fmt.Errorf("rate %v: want a burst of 1 to %d", r, maxBurst)
	case uint64(r.Burst)*uint64(r.Per) > maxWindow*uint64(r.Count):
		return fmt.Errorf("rate %v: a burst that takes longer than an hour to be allowed again; want at most %d", r, maxWindow*r.Count/r.Per)
	}
	return nil
}

// periods are what may stand behind the slash of a rate, in seconds.
var periods = map[string]uint32{"s": 1, "m": 60, "h": 3600}

// Set reads a rate as it is written: 20/s, 100/m:50 with a burst, 0 for none. Without a burst it is 10 or what comes in two seconds, whichever is more, but not more than comes in an hour.
func (r *Rate) Set(text string) error {
	if text == "0" {
		*r = Rate{}
		return nil
	}
	number, burst, given := strings.Cut(text, ":")
	number, unit, _ := strings.Cut(number, "/")
	to := Rate{Count: whole(number), Per: periods[unit]}
	if to.Count == 0 || to.Per == 0 || given && whole(burst) == 0 {
		return fmt.Errorf("%q is not a rate, as in 20/s, 100/m or 5/h, with a burst as in 20/s:50, or 0 for none", text)
	}
	to.Burst = whole(burst)
	if !given {
		count, per := uint64(to.Count), uint64(to.Per)
		to.Burst = uint32(min(max(10, 2*count/per), maxWindow*count/per, maxBurst))
	}
	if err := to.Validate(); err != nil {
		return err
	}
	*r = to
	return nil
}

// whole reads a decimal number of up to nine digits; 0 if it is none.
func whole(text string) uint32 {
	if len(text) > 9 || strings.Trim(text, "0123456789") != "" {
		return 0
	}
	n, _ := strconv.ParseUint(text, 10, 32)
	return uint32(n)
}

// String is the rate as Set reads it.
func (r Rate) String() string {
	for unit, per := range periods {
		if per == r.Per {
			return fmt.Sprintf("%d/%s:%d", r.Count, unit, r.Burst)
		}
	}
	return "0"
}

// bucket is a client's state under a rate. Times are in steps of that rate since 1970.
type bucket struct {
	step   int64 // of one interval
	now    int64
	second int64 // when the second of now began
	due    int64
}

// bucket returns the state at now, unix nanoseconds, of a client that owed so many steps at second seen. The rate must be valid and not zero.
func (r Rate) bucket(seen uint32, debt uint16, now int64) bucket {
	// A full bucket and a second are within 16 bits: (burst + count/per) · step < 2^16, with one step for what is cut.
	step := (math.MaxUint16 - 1) * int64(r.Per) / (int64(r.Burst)*int64(r.Per) + int64(r.Count))
	pace := step * int64(r.Count) // steps in every Per, at most 2^28
	steps := func(sec, ns int64) int64 {
		return sec*pace/int64(r.Per) + (sec*pace%int64(r.Per)*int64(time.Second)+ns*pace)/(int64(r.Per)*int64(time.Second))
	}
	sec := int64(seconds(now))
	return bucket{
		step: step, now: steps(sec, now-sec*int64(time.Second)), second: steps(sec, 0),
		due: steps(int64(seen), 0) + int64(debt),
	}
}

// debt is how far the due time is ahead of the second of now. A caller whose now lags behind may find it further ahead than fits.
func (b bucket) debt() uint16 { return uint16(min(max(b.due-b.second, 0), math.MaxUint16)) }
