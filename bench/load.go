package main

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// job is what a load child is told to do.
type job struct {
	Shape   shape
	Targets []string // 127.x addresses with ports; clients keep to one each
	Warm    time.Duration
	Window  time.Duration
	Proxy   int    // process id; 0: none
	Servers int    // process id
	Seed    uint64 // of what is random; the same for what is compared
	Strace  string // file in which to count the proxy's system calls; empty: they are not counted
}

// outcome is what a load child saw, and what was used meanwhile, from the end of the warm-up to the end of the window.
type outcome struct {
	Units   int64 // connections, requests or bytes
	Elapsed time.Duration
	Proxy   usage
	Servers usage
	Load    usage
	Busy    time.Duration // of all CPUs of the machine
	Switch  switches      // of the proxy
	Calls   int64         // system calls of the proxy; 0: not counted
	Latency *latency      `json:",omitempty"`
	Idle    *idle         `json:",omitempty"`
	Storm   *storm        `json:",omitempty"`
	Errors  int64
	First   string // the first error
}

const (
	// settleLimit bounds how long connections may take to come to their end after the window. What takes longer stands still.
	settleLimit = 2 * time.Second
	// errorLimit is how many errors end the load early.
	errorLimit = 100
)

// limit is how long a load child may take for the whole job.
func (j job) limit() time.Duration {
	limit := j.Warm + j.Window + settleLimit + 2*startLimit
	if j.Shape.Driver == "fill" {
		limit += time.Duration(j.Shape.Clients) * time.Second / fillFloor
	}
	return limit
}

// driver begins a load.
type driver func(j job, t *tally) (load, error)

// load is a load that runs.
type load struct {
	// window passes the time that is measured. Nil: it takes what the job says, and the load runs by itself.
	window func() error
	// finish makes the load come to an end, and adds to the outcome what it alone knows. It returns when that is done, or after settleLimit with an error.
	finish func(o *outcome) error
}

var drivers = map[string]driver{
	"conn": driveConns, "keepalive": driveKeepalive, "bulk": driveBulk, "mixed": driveMixed, "latency": driveLatency, "idle": driveIdle, "storm": driveStorm, "fill": driveFill,
}

// tally counts what the load does. Safe for concurrent use.
type tally struct {
	// atomic: added to by the load, read by job.run
	units  atomic.Int64
	errors atomic.Int64
	// atomic: set by job.run, read by the load
	stopping atomic.Bool
	from, to atomic.Int64 // the window, by clock; 0: not there yet

	broken chan struct{} // closed when there are too many errors

	mu    sync.Mutex
	first error // guarded by mu
}

func newTally() *tally { return &tally{broken: make(chan struct{})} }

// Fail counts an error. It returns false once there are too many to go on.
func (t *tally) Fail(err error) bool {
	n := t.errors.Add(1)
	t.mu.Lock()
	if t.first == nil {
		t.first = err
	}
	t.mu.Unlock()
	if n == errorLimit {
		close(t.broken)
	}
	return n < errorLimit
}

// isBroken says that there have been too many errors to go on.
func (t *tally) isBroken() bool { return t.errors.Load() >= errorLimit }

func (t *tally) report() (n int64, first string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first != nil {
		first = t.first.Error()
	}
	return t.errors.Load(), first
}

// run does the job.
func (j job) run() (outcome, error) {
	d, ok := drivers[j.Shape.Driver]
	if !ok || len(j.Targets) == 0 || j.Shape.Clients < 1 {
		return outcome{}, fmt.Errorf("no such job: %+v", j)
	}
	t := newTally()
	l, err := d(j, t)
	if err != nil {
		return outcome{}, err
	}
	t.sleep(j.Warm)
	o, err := j.measure(t, l)
	if err != nil {
		return outcome{}, err
	}
	o.Errors, o.First = t.report()
	t.stopping.Store(true)
	stuck := l.finish(&o)
	if stuck != nil && o.Errors == 0 {
		// What follows when connections that stand still are torn down is not what went wrong.
		o.Errors, o.First = 1, stuck.Error()
	} else {
		o.Errors, o.First = t.report()
	}
	return o, nil
}

// sleep waits for d, or until the load is broken.
func (t *tally) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.broken:
	}
}

// clientAddr is the i-th client address: 127.1.0.1 and up, leaving out what ends in .0 or .255 for the sake of those who read it as a network.
func clientAddr(i int) netip.Addr {
	const perNet = 254
	net := i / perNet
	return netip.AddrFrom4([4]byte{127, byte(1 + net>>8), byte(net), byte(1 + i%perNet)})
}

// targets parses the job's target addresses.
func (j job) targets() ([]inet4, error) {
	var to []inet4
	for _, t := range j.Targets {
		a, err := netip.ParseAddrPort(t)
		if err != nil {
			return nil, err
		}
		if !a.Addr().Is4() || !a.Addr().IsLoopback() {
			return nil, fmt.Errorf("target %v: load goes to loopback only", a)
		}
		to = append(to, toInet4(a))
	}
	return to, nil
}

// asks hands out the asks of one connection after another: the same sizes, and a tag for each that no other has.
type asks struct {
	shape shape
	tag   uint64
}

// newAsks returns the asks of the i-th thread or connection.
func newAsks(s shape, i int) asks { return asks{s, uint64(i+1) << 32} }

func (a *asks) next() header {
	a.tag++
	return a.at(a.tag)
}

// at is the ask with a certain tag.
func (a *asks) at(tag uint64) header {
	h := header{Magic: magicAsk, Tag: tag, Up: a.shape.Up, Down: a.shape.Down}
	if a.shape.HangUp {
		h.Flags = hangUp
	}
	return h
}
