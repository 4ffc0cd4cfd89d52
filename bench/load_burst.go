package main

import (
	"errors"
	"io"
	"net/netip"
	"syscall"
	"time"
)

// burst is many connections begun at once, each with one ask, after whose answer the server closes.
type burst struct {
	// owned by the goroutine that calls run
	poller *poller
	shape  shape
	to     []inet4
	conns  []burstConn
	left   int // neither served nor failed
	in     []byte
	limit  time.Duration // that a connection may take
	found  storm
}

type burstConn struct {
	s    sock
	ask  header
	sent bool
	got  int // bytes of the answer
	over bool
	in   []byte
}

func newBurst(s shape, to []inet4, limit time.Duration) (*burst, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	b := &burst{poller: p, shape: s, to: to, conns: make([]burstConn, s.Conns), left: s.Conns, in: make([]byte, headerSize+max(s.Up, s.Down)+1), limit: limit, found: storm{Attempted: s.Conns}}
	// Tags of their own: those of the steady load begin at 1<<32.
	a := asks{shape: s}
	for i := range b.conns {
		b.conns[i] = burstConn{s: -1, ask: a.next(), in: make([]byte, headerSize+int(s.Down))}
	}
	return b, nil
}

// run begins all connections and returns when each has been served or has failed, or after the limit. What goes wrong between the proxy and a connection is what is to be found;
// wrong bytes are an error of the load, and what goes wrong on our own side ends it.
func (b *burst) run(t *tally) (storm, error) {
	defer b.close()
	for i := range b.conns {
		from := toInet4(netip.AddrPortFrom(clientAddr(i%b.shape.Clients), 0))
		s, err := begin(&from, &b.to[i%b.shape.Clients%len(b.to)])
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			b.end(&b.conns[i], false)
			continue
		case err != nil:
			return b.found, err
		}
		b.conns[i].s = s
		if err := b.poller.Add(s, i); err != nil {
			return b.found, err
		}
	}
	for deadline := clock() + int64(b.limit); b.left > 0; {
		left := deadline - clock()
		if left <= 0 {
			break
		}
		events, err := b.poller.Wait(time.Duration(min(left, int64(10*time.Millisecond))))
		if err != nil {
			return b.found, err
		}
		for _, e := range events {
			b.onEvent(&b.conns[e.Fd], e.Events, t)
		}
	}
	b.found.Failed = b.found.Attempted - b.found.Served
	return b.found, nil
}

func (b *burst) onEvent(c *burstConn, events uint32, t *tally) {
	if c.over {
		return
	}
	if !c.sent && events&syscall.EPOLLOUT != 0 && events&syscall.EPOLLERR == 0 {
		c.sent = true
		out := b.in[:headerSize+c.ask.Up]
		c.ask.compose(out)
		if err := c.s.Write(out, nil); err != nil {
			b.end(c, false)
			return
		}
	}
	for {
		// One byte more than is left, so that what is too much shows.
		n, err := c.s.Read(b.in[:min(len(b.in), len(c.in)-c.got+1)])
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return
		case err == io.EOF && c.got == len(c.in):
			err := checkMessage(c.in, c.ask)
			if err != nil {
				t.Fail(err)
			}
			b.end(c, err == nil)
			return
		case err != nil:
			b.end(c, false)
			return
		}
		if c.got+n > len(c.in) {
			t.Fail(errors.New("more bytes than the server sent"))
			b.end(c, false)
			return
		}
		c.got += copy(c.in[c.got:], b.in[:n])
	}
}

func (b *burst) end(c *burstConn, served bool) {
	c.over = true
	b.left--
	if served {
		b.found.Served++
	}
	if c.s >= 0 {
		c.s.Close()
		c.s = -1
	}
}

func (b *burst) close() {
	for i := range b.conns {
		if c := &b.conns[i]; !c.over {
			b.end(c, false)
		}
	}
	b.poller.Close()
}
