package main

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

const (
	// idleThreads is how many connections are opened at once until all stand open.
	idleThreads = 32
	// idleBase is the share, 1 in so many, of the connections that are open before memory is first looked at: what the first connections cost once is not what each costs.
	idleBase = 10
	// idleSettle is how long a proxy is left alone before its memory is looked at.
	idleSettle = 300 * time.Millisecond
)

// idler is a connection that has been used once and then stands open.
type idler struct {
	caller
	s sock
}

// driveIdle opens Conns connections, makes one request on each and leaves them open: first a tenth of them, the others in the window. Then it looks at how much the proxy has grown,
// and makes another request on each, to see that it was really kept.
func driveIdle(j job, t *tally) (load, error) {
	to, err := j.targets()
	if err != nil {
		return load{}, err
	}
	if j.Proxy == 0 {
		return load{}, errors.New("no proxy whose memory could be looked at")
	}
	ownThreads(idleThreads)
	conns := make([]*idler, j.Shape.Conns)
	for i := range conns {
		conns[i] = &idler{s: -1, caller: caller{asks: newAsks(j.Shape, i), out: make([]byte, headerSize+j.Shape.Up), in: make([]byte, headerSize+j.Shape.Down)}}
		conns[i].from = toInet4(netip.AddrPortFrom(clientAddr(i%j.Shape.Clients), 0))
	}
	open := func(i int) error { return conns[i].open(&to[i%j.Shape.Clients%len(to)]) }
	first := len(conns) / idleBase
	if err := atOnce(0, first, open); err != nil {
		closeIdlers(conns)
		return load{}, err
	}
	time.Sleep(idleSettle)
	var before int64
	return load{
		window: func() error {
			if before, err = memoryOf(j.Proxy); err != nil {
				return err
			}
			t.units.Add(int64(len(conns) - first))
			return atOnce(first, len(conns), open)
		},
		finish: func(o *outcome) error {
			defer closeIdlers(conns)
			time.Sleep(idleSettle)
			after, err := memoryOf(j.Proxy)
			if err != nil {
				return err
			}
			grown := max(0, after-before)
			o.Idle = &idle{Conns: len(conns), BytesPerConn: float64(grown) / float64(len(conns)-first)}
			return atOnce(0, len(conns), func(i int) error { return conns[i].talk(conns[i].s, conns[i].asks.next()) })
		},
	}, nil
}

func (c *idler) open(to *inet4) (err error) {
	if c.s, err = dialSock(&c.from, to); err != nil {
		return err
	}
	limit := syscall.NsecToTimeval(int64(startLimit))
	if err := syscall.SetsockoptTimeval(int(c.s), syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit); err != nil {
		return fmt.Errorf("limit the wait for an answer: %w", err)
	}
	return c.talk(c.s, c.asks.next())
}

func closeIdlers(conns []*idler) {
	for _, c := range conns {
		if c.s >= 0 {
			c.s.Close()
		}
	}
}

// atOnce does something for each number from begin up to end, many at once, and returns the first error of the first thread that had one.
func atOnce(begin, end int, do func(i int) error) error {
	var all sync.WaitGroup
	errs := make([]error, idleThreads)
	for n := range errs {
		all.Go(func() {
			for i := begin + n; i < end && errs[n] == nil; i += idleThreads {
				errs[n] = do(i)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// memoryOf is the memory in bytes of the process tree that begins at root. See ownMemory.
func memoryOf(root int) (int64, error) {
	all, err := readStats()
	if err != nil {
		return 0, err
	}
	tree := treeOf(all, root)
	if len(tree) == 0 {
		return 0, errors.New("the proxy has ended")
	}
	return ownMemory(tree), nil
}
