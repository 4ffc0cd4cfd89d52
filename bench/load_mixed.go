package main

import "net/netip"

// mixSmall is how many small requests come before the large one on a connection of the mixed load.
const mixSmall = 16

// driveMixed does everything at once, in shares that are the same for every peer so that a request means the same: each of Conns threads opens a connection, makes small requests on
// it one after another, then one whose answer is large and after which the server closes, and begins anew. The threads are soon out of step.
func driveMixed(j job, t *tally) (load, error) {
	to, err := j.targets()
	if err != nil {
		return load{}, err
	}
	return runThreads(j.Shape.Conns, func(i int, th *thread) {
		c := &caller{asks: newAsks(j.Shape, i), out: make([]byte, headerSize+j.Shape.Up), in: make([]byte, headerSize+j.Shape.Down)}
		b := &bulkStream{head: make([]byte, headerSize), buf: make([]byte, chunkRead)}
		for n := i; !t.stopping.Load(); n += j.Shape.Conns {
			client := n % j.Shape.Clients
			c.from = toInet4(netip.AddrPortFrom(clientAddr(client), 0))
			if err := c.mix(&to[client%len(to)], th, b, t); err != nil && !t.Fail(err) {
				return
			}
		}
	}), nil
}

// mix makes one connection of the mixed load.
func (c *caller) mix(to *inet4, th *thread, b *bulkStream, t *tally) error {
	s, err := dialSock(&c.from, to)
	if err != nil {
		return err
	}
	defer s.Close()
	th.use(s)
	for range mixSmall {
		if err := c.talk(s, c.asks.next()); err != nil {
			return err
		}
		t.units.Add(1)
	}
	ask := c.asks.next()
	ask.Down, ask.Flags = maxBody, hangUp
	ask.compose(c.out)
	if err := s.Write(c.out, nil); err != nil {
		return err
	}
	b.sock = s
	if err := b.receive(ask); err != nil {
		return err
	}
	t.units.Add(1)
	return s.readEnd(c.in)
}
