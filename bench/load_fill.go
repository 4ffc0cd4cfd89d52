package main

import (
	"errors"
	"net/netip"
	"sync"
)

const (
	// fillers is how many clients at once make themselves known.
	fillers = 32
	// fillFloor is the slowest rate, in clients per second, at which a fill is given the time to end.
	fillFloor = 3000
)

// driveFill makes all clients known to a proxy: each makes one connection with one ask. The window takes as long as that does.
func driveFill(j job, t *tally) (load, error) {
	to, err := j.targets()
	if err != nil {
		return load{}, err
	}
	var all sync.WaitGroup
	all.Add(j.Shape.Conns)
	l := runThreads(j.Shape.Conns, func(i int, th *thread) {
		defer all.Done()
		c := &caller{asks: newAsks(j.Shape, i), out: make([]byte, headerSize+j.Shape.Up), in: make([]byte, headerSize+j.Shape.Down)}
		for client := i; client < j.Shape.Clients; client += j.Shape.Conns {
			c.from = toInet4(netip.AddrPortFrom(clientAddr(client), 0))
			if err := c.call(&to[client%len(to)], th); err == nil {
				t.units.Add(1)
			} else if !t.Fail(err) {
				return
			}
		}
	})
	l.window = func() error {
		all.Wait()
		if t.units.Load() == 0 {
			return errors.New("no client could make itself known")
		}
		return nil
	}
	return l, nil
}
