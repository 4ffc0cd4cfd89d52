package probe

import (
	"container/heap"
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pen/internal/backend"
)

// MaxChecks bounds the checks in flight, each of which is one goroutine and one descriptor; a plan of descriptors has to count it in. Servers that answer are thousands
// of checks a second; even if all are silent and the timeout is one second, 64 get their answer each second.
const MaxChecks = 64

// shortest is the least Interval and Timeout: less would be a storm, and zero a spin.
const shortest = time.Millisecond

// Target is one server to check. Network and Address are as for net.Dial, with a literal address: "tcp", "10.0.0.1:80" or "unix", "/path". Name goes to the log and
// into the Host header.
type Target struct {
	ID               backend.ID
	Name             string
	Network, Address string
}

// same says that t and u ask the same thing of the same server, so that a verdict on one holds for the other.
func (t Target) same(u Target) bool {
	return t.ID == u.ID && t.Network == u.Network && t.Address == u.Address
}

// Config is how to check and how to judge. An Interval or Timeout under a millisecond and a Rise or Fall under one are raised to that; a nil Log discards.
type Config struct {
	Check    Check
	Interval time.Duration // from the end of one check of a server to the start of its next
	Timeout  time.Duration // for a whole check, connect and answer
	Rise     int           // passes in a row that bring a server up
	Fall     int           // failures in a row that take it down
	Log      *slog.Logger
}

// Prober checks the servers it is told to watch and writes their probe bits. One per process: it is the only writer of those bits.
type Prober struct {
	// constant after New
	cfg     Config
	slots   *backend.Slots
	wake    chan struct{} // holds one token when wanted has been set
	results chan result   // each check in flight sends exactly one

	// atomic: Watch stores, Run loads
	wanted atomic.Pointer[[]Target]

	tallies sync.Map // of *tally by backend.ID; Run adds, anyone reads

	// owned by Run. A watched server is either in queue or, while a check of its ID is in flight, named in busy.
	watched map[backend.ID]*watch
	queue   queue
	busy    map[backend.ID]struct{}
	voided  int       // void checks not yet logged
	logged  time.Time // when void checks were last logged
}

// watch is one server being watched. Owned by Run.
type watch struct {
	Target
	streak streak
	due    time.Time // of the next check
}

// result is what one check of one watch came to; err nil is a pass.
type result struct {
	watch *watch
	err   error
	took  time.Duration
}

// New makes a Prober that watches nothing yet.
func New(cfg Config, slots *backend.Slots) *Prober {
	cfg.Interval = max(cfg.Interval, shortest)
	cfg.Timeout = max(cfg.Timeout, shortest)
	cfg.Rise = max(cfg.Rise, 1)
	cfg.Fall = max(cfg.Fall, 1)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Prober{
		cfg:     cfg,
		slots:   slots,
		wake:    make(chan struct{}, 1),
		results: make(chan result),
		watched: map[backend.ID]*watch{},
		busy:    map[backend.ID]struct{}{},
	}
}

// Watch replaces the set of servers to check. A server whose ID and address stay keeps its verdict, its streak and its place in the queue; one that goes, or whose
// address changes, is up again for lack of a verdict. Of several targets with one ID the first counts. Safe from any goroutine, before and during Run; the last call
// wins. It does not wait: Run takes the set up, and no check of a server that went is judged after that.
func (p *Prober) Watch(targets []Target) {
	wanted := slices.Clone(targets)
	p.wanted.Store(&wanted)
	select {
	case p.wake <- struct{}{}:
	default: // the token that is there already brings Run to this set as well
	}
}

// Run checks until ctx ends, and returns when every check has returned. Call it once.
func (p *Prober) Run(ctx context.Context) {
	if p.cfg.Check.Kind == Off {
		<-ctx.Done()
		return
	}
	timer := time.NewTimer(p.cfg.Interval)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Stop()
		if wait, ok := p.start(ctx); ok {
			timer.Reset(wait)
		}
		select {
		case <-ctx.Done():
		case <-p.wake:
			p.adopt(*p.wanted.Load())
		case r := <-p.results:
			p.settle(ctx, r)
		case <-timer.C:
		}
	}
	for range len(p.busy) {
		<-p.results
	}
}

// start launches the checks that are due and returns how long it is to the next one; false if that hangs on a result or a new set.
func (p *Prober) start(ctx context.Context) (wait time.Duration, ok bool) {
	for len(p.queue) > 0 && len(p.busy) < MaxChecks {
		if wait := time.Until(p.queue[0].due); wait > 0 {
			return wait, true
		}
		w := heap.Pop(&p.queue).(*watch)
		p.busy[w.ID] = struct{}{}
		go p.check(ctx, w, w.Target)
	}
	return 0, false
}

// check is the goroutine of one check. It gets a copy of the target, since Run may rename w meanwhile.
func (p *Prober) check(ctx context.Context, w *watch, t Target) {
	began := time.Now()
	err := p.cfg.Check.ask(ctx, t, p.cfg.Timeout)
	p.results <- result{w, err, time.Since(began)}
}

// adopt makes targets the set that is watched.
func (p *Prober) adopt(targets []Target) {
	now := time.Now()
	next := make(map[backend.ID]*watch, len(targets))
	p.queue = make(queue, 0, len(targets))
	for _, t := range targets {
		if next[t.ID] != nil {
			continue
		}
		w := p.watched[t.ID]
		if w == nil || !w.same(t) {
			w = &watch{due: now.Add(rand.N(p.cfg.Interval))}
		}
		w.Target = t
		next[t.ID] = w
		if _, inFlight := p.busy[t.ID]; !inFlight {
			p.queue = append(p.queue, w)
		}
	}
	heap.Init(&p.queue)
	for id, w := range p.watched {
		if next[id] != w && w.streak.down {
			p.slots.Get(id).SetProbe(true)
		}
	}
	p.watched = next
}

// settle takes the result of a check and puts its server back into the queue. The check may have outlived its watch: then it counts for nothing, but a later watch of
// the same ID has been waiting for it to end.
func (p *Prober) settle(ctx context.Context, r result) {
	id := r.watch.ID
	delete(p.busy, id)
	w := p.watched[id]
	if w == nil {
		return
	}
	if w == r.watch {
		if ctx.Err() != nil {
			return
		}
		if local(w.Network, r.err) {
			p.tallyOf(id).void.Add(1)
			p.void(r.err)
		} else {
			p.tallyOf(id).judged(r.err == nil, r.took)
			p.judge(w, r.err)
		}
		w.due = time.Now().Add(pause(p.cfg.Interval, w.streak.doubted(), rand.Float64()))
	}
	heap.Push(&p.queue, w)
}

// judge lets one result, nil for a pass, take effect on the server's slot.
func (p *Prober) judge(w *watch, err error) {
	slot := p.slots.Get(w.ID)
	if err == nil && slot.Forgive() {
		p.cfg.Log.Info("blacklist cleared by a passing check", "server", w.Name)
	}
	if !w.streak.add(err == nil, p.cfg.Rise, p.cfg.Fall) {
		return
	}
	slot.SetProbe(!w.streak.down)
	if w.streak.down {
		p.cfg.Log.Warn("server down", "server", w.Name, "reason", err, "checks", p.cfg.Fall)
	} else {
		p.cfg.Log.Info("server up", "server", w.Name, "checks", p.cfg.Rise)
	}
}

// void counts a check that failed by our own trouble, and logs the count at most once per Interval.
func (p *Prober) void(err error) {
	p.voided++
	if time.Since(p.logged) < p.cfg.Interval {
		return
	}
	p.cfg.Log.Warn("checks void, the trouble is ours", "reason", err, "checks", p.voided)
	p.voided, p.logged = 0, time.Now()
}

// pause is the time to a server's next check: interval, or a quarter of it for a server in doubt, times 0.9 to 1.1 as r goes from 0 to 1.
func pause(interval time.Duration, doubted bool, r float64) time.Duration {
	if doubted {
		interval /= 4
	}
	return time.Duration(float64(interval) * (0.9 + 0.2*r))
}

// queue is a heap of the servers that wait for a check, earliest first.
type queue []*watch

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(w any)        { *q = append(*q, w.(*watch)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return w
}
