package loop

import (
	"slices"

	"pen/internal/balance"
	"pen/internal/sys"
)

const (
	// parkedMost is how many sockets a loop keeps at most: what a turn of a busy loop closes before it connects again.
	parkedMost = 64

	// parkedBytes is how much a connection may have carried for its socket to be kept. The kernel's buffers of one that carried more have grown, and would stay so.
	parkedBytes = copyBuffer
)

// lot is where sockets to servers stand whose connections are over on both sides, until the next connect, which makes them unconnected and connects them again. That saves a close and the making of a socket, of
// its inode and its file, and its registration with the poller: 4 to 7 % of the CPU time that a short connection takes (measured, docs/performance.md).
//
// Invariant: a socket here is in state CLOSE, both FINs are acknowledged, and no option was set on it but its congestion control. The poller still knows it, by a serial that nobody has any more.
type lot struct {
	sockets []parked // the one parked last is last
	fewest  int      // there have been since prune
}

type parked struct {
	fd   int32
	kind kind
}

// kind is what sockets have to have in common to stand in for each other.
type kind struct {
	family     int
	congestion string
}

func (l *Loop) kindOf(to *balance.Address) kind {
	return kind{family(to), l.cfg.congestion(to.IP.Addr())}
}

// park keeps the server's socket of a connection that is being closed, and reports whether it does. Not before the kernel says that the peer has acknowledged everything, our FIN as well: to make a socket
// unconnected destroys what is still on its way.
func (l *Loop) park(c *conn) bool {
	e := &c.server
	if !l.cfg.ReuseSockets || l.state != running || c.state != forwarding || !c.plain || c.tuned || len(l.lot.sockets) == parkedMost || c.up.bytes+c.down.bytes > parkedBytes {
		return false
	}
	if !c.up.shut || !c.down.shut || e.errno != 0 || e.reset || e.failed || e.urgent {
		return false
	}
	if !c.parted && sys.ShutWrite(int(e.fd)) != 0 { // finish has left it to the close
		return false
	}
	if n, errno := sys.Unsent(int(e.fd)); n != 0 || errno != 0 {
		return false
	}
	l.ends.put(int(e.fd), nil)
	l.lot.sockets = append(l.lot.sockets, parked{e.fd, l.kindOf(&c.chosen.Addr)})
	e.fd = -1
	return true
}

// unpark gives a connection a socket of the right kind, if there is one, as good as new. Its poller has to be told the new serial: see enrolled.
func (l *Loop) unpark(c *conn) bool {
	to := &c.chosen.Addr
	if len(l.lot.sockets) == 0 || to.Path != "" || !l.natural() {
		return false
	}
	want := l.kindOf(to)
	for i := len(l.lot.sockets) - 1; i >= 0; i-- {
		p := l.lot.sockets[i]
		if p.kind != want {
			continue
		}
		l.lot.sockets = slices.Delete(l.lot.sockets, i, i+1)
		l.lot.fewest = min(l.lot.fewest, len(l.lot.sockets))
		if sys.Disconnect(int(p.fd)) == 0 {
			c.server = end{conn: c, fd: p.fd, watching: enrolled}
			l.enter(&c.server)
			c.plain = true
			return true
		}
		sys.Close(int(p.fd))
	}
	return false
}

// natural reports whether sockets to servers have the addresses that the system chooses: those need no option.
func (l *Loop) natural() bool {
	plan := l.balancer.Plan()
	return !plan.Source.IsValid() && !plan.Transparent
}

// prune closes the sockets that nobody has needed since the last time. Those parked first are the ones.
func (l *Loop) prune() {
	l.closeParked(l.lot.fewest)
	l.lot.fewest = len(l.lot.sockets)
}

// closeParked closes so many of those parked first.
func (l *Loop) closeParked(n int) {
	for _, p := range l.lot.sockets[:n] {
		sys.Close(int(p.fd))
	}
	l.lot.sockets = slices.Delete(l.lot.sockets, 0, n)
	l.lot.fewest = min(l.lot.fewest, len(l.lot.sockets))
}

// holds tells a descriptor of the lot: the last change of its state may be reported once it is parked.
func (t *lot) holds(fd int) bool {
	return slices.ContainsFunc(t.sockets, func(p parked) bool { return int(p.fd) == fd })
}
