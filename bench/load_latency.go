package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// The bounds of what can be told apart in a histogram, and the digits that count in between.
	shortestLatency = time.Microsecond
	longestLatency  = 100 * time.Second
	latencyDigits   = 3
	// drainLimit is how long after the window answers are waited for; less than settleLimit, in which the threads must have ended.
	drainLimit = settleLimit - 500*time.Millisecond
	// senderNap bounds how long a sender waits in the kernel, so that it sees that the load is to stop.
	senderNap = 20 * time.Millisecond
)

// driveLatency sends requests at a fixed rate, whether or not earlier ones have been answered, and notes for each how long after the instant at which it was due its answer came.
// So nothing is left out that coordinated omission would leave out: when the proxy, or this load itself, stands still, all that was due meanwhile counts as late as it is. Requests
// are due at random instants, independent of each other, as from many clients (a Poisson process), and at the same instants for every peer in a round. What has no answer drainLimit after the
// window counts with the time waited until then.
func driveLatency(j job, t *tally) (load, error) {
	to, err := j.targets()
	if err != nil {
		return load{}, err
	}
	if j.Shape.Rate <= 0 {
		return load{}, fmt.Errorf("no rate to send at: %+v", j.Shape)
	}
	n := min(max(1, runtime.NumCPU()/2), j.Shape.Conns)
	senders := make([]*sender, n)
	for i := range senders {
		if senders[i], err = newSender(j, to, i, n, t); err != nil {
			for _, s := range senders[:i] {
				s.close()
			}
			return load{}, err
		}
	}
	l := runThreads(n, func(i int, _ *thread) {
		defer senders[i].close()
		if err := senders[i].run(); err != nil {
			t.Fail(err)
		}
	})
	settled := l.finish
	l.finish = func(o *outcome) error {
		if err := settled(o); err != nil {
			return err
		}
		all := newHistogram()
		for _, s := range senders {
			all.Merge(s.late)
		}
		o.Latency = latencyOf(all)
		o.Latency.Offered, o.Latency.Achieved = j.Shape.Rate, float64(o.Units)/o.Elapsed.Seconds()
		return nil
	}
	return l, nil
}

// sender is one thread of the latency load, with its share of connections and rate. Owned by its thread from run on.
type sender struct {
	tally  *tally
	poller *poller
	lanes  []*lane
	in     []byte
	late   *hdrhistogram.Histogram // nanoseconds
	gap    float64                 // mean nanoseconds from one request to the next
	random *rand.Rand
	due    int64 // when the next request is due, by clock
	sent   int
}

func newSender(j job, to []inet4, i, all int, t *tally) (*sender, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	s := &sender{tally: t, poller: p, in: make([]byte, 64<<10), late: newHistogram(), gap: 1e9 / j.Shape.Rate * float64(all), random: rand.New(rand.NewPCG(j.Seed, uint64(i)))}
	for c := i; c < j.Shape.Conns; c += all {
		client := c % j.Shape.Clients
		l, err := dialLane(client, &to[client%len(to)], newAsks(j.Shape, c))
		if err == nil {
			s.lanes = append(s.lanes, l)
			err = p.Add(l.s, len(s.lanes)-1)
		}
		if err != nil {
			s.close()
			return nil, fmt.Errorf("open connection %d of %d: %w", c+1, j.Shape.Conns, err)
		}
	}
	return s, nil
}

func (s *sender) close() {
	for _, l := range s.lanes {
		l.s.Close()
	}
	s.poller.Close()
}

// run sends until the load stops, and then takes the answers that are still due.
func (s *sender) run() error {
	s.due = clock()
	for !s.tally.stopping.Load() {
		now := clock()
		for ; s.due <= now; s.due += int64(s.random.ExpFloat64() * s.gap) {
			if err := s.lanes[s.sent%len(s.lanes)].send(s.due); err != nil {
				return err
			}
			s.sent++
		}
		if err := s.take(min(time.Duration(s.due-clock()), senderNap)); err != nil {
			return err
		}
	}
	for deadline := clock() + int64(drainLimit); s.pending() > 0 && clock() < deadline; {
		if err := s.take(senderNap); err != nil {
			return err
		}
	}
	return s.giveUp()
}

// take waits for answers, for no longer than d, and takes those that come.
func (s *sender) take(d time.Duration) error {
	events, err := s.poller.Wait(d)
	if err != nil {
		return err
	}
	for _, e := range events {
		l := s.lanes[e.Fd]
		if err := l.flush(); err != nil {
			return err
		}
		if err := l.receive(s.in, s.answered); err != nil {
			return err
		}
	}
	return nil
}

// answered notes that the answer to a request that was due at a certain time has come.
func (s *sender) answered(due, now int64) {
	s.tally.units.Add(1)
	s.note(due, now)
}

// note records how late an answer is, if its request was due in the window.
func (s *sender) note(due, now int64) {
	if from, to := s.tally.from.Load(), s.tally.to.Load(); from == 0 || due < from || (to != 0 && due >= to) {
		return
	}
	_ = s.late.RecordValue(min(now-due, int64(longestLatency)))
}

func (s *sender) pending() int {
	n := 0
	for _, l := range s.lanes {
		n += len(l.due)
	}
	return n
}

// giveUp notes what has not been answered. A connection on which nothing came at all for so long stands still.
func (s *sender) giveUp() error {
	now := clock()
	for _, l := range s.lanes {
		for _, due := range l.due {
			s.note(due, now)
		}
		if len(l.due) > 0 && now-l.last > int64(drainLimit) {
			return errors.New("a connection stands still")
		}
	}
	return nil
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(shortestLatency), int64(longestLatency), latencyDigits)
}

// latencyOf reads a histogram of nanoseconds.
func latencyOf(h *hdrhistogram.Histogram) *latency {
	if h.TotalCount() == 0 {
		return &latency{}
	}
	at := func(quantile float64) float64 { return float64(h.ValueAtQuantile(quantile*100)) / 1e9 }
	l := &latency{P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: float64(h.Max()) / 1e9}
	// Eight points for each nine, as long as there are answers enough to tell.
	for i := 0.0; ; i++ {
		rarer := math.Pow(10, i/8)
		if rarer > float64(h.TotalCount()) {
			break
		}
		q := 1 - 1/rarer
		l.Curve = append(l.Curve, point{q, at(q)})
	}
	l.Curve = append(l.Curve, point{1, l.Max})
	return l
}
