package loop

import (
	"fmt"
	"net/netip"
	"slices"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
)

// numbers hands out connection numbers: small, distinct over all loops, free again when the connection ends. Owned by the loop.
type numbers struct {
	first, step int // the loop's are first, first+step, first+2·step, …
	next        int // how many were ever needed
	free        []uint32
}

func (n *numbers) get() uint32 {
	if last := len(n.free) - 1; last >= 0 {
		number := n.free[last]
		n.free = n.free[:last]
		return number
	}
	n.next++
	return uint32(n.first + (n.next-1)*n.step)
}

func (n *numbers) put(number uint32) { n.free = append(n.free, number) }

// View is one open connection at a moment.
type View struct {
	Number                 int
	Client                 netip.AddrPort  // zero: a Unix client, or none
	Server                 *balance.Server // nil: none at this moment
	Connecting, Idler      bool
	Down, Up               int // the client's and the server's descriptor; -1 = none
	PendingDown, PendingUp int // bytes read and not yet written
}

// Connections returns the open connections by their numbers. Each loop is asked in turn, so they are of slightly different moments.
func (g *Group) Connections() []View {
	var all []View
	g.ask(func(l *Loop) {
		for c := range l.connections() {
			all = append(all, View{
				Number: int(c.number), Client: c.peer, Server: c.chosen, Connecting: c.state == connecting || c.state == queued, Idler: c.idler,
				Down: int(c.client.fd), Up: int(c.server.fd), PendingDown: c.down.held(), PendingUp: c.up.held(),
			})
		}
	})
	slices.SortFunc(all, func(a, b View) int { return a.Number - b.Number })
	return all
}

// held is how many bytes a direction has read and not yet written.
func (h *half) held() int {
	n := 0
	if h.tail != nil {
		n = len(h.tail.buf) - h.tail.sent
	}
	if h.pipe != nil {
		n += h.pipe.Data
	}
	return n
}

// connections yields the loop's connections, each once; the connection yielded may be closed.
func (l *Loop) connections() func(yield func(*conn) bool) {
	return func(yield func(*conn) bool) {
		for _, e := range l.ends.all() {
			// A connection has two ends: it is yielded with the client's, or with the server's if it has no client.
			if (e == &e.conn.client || e.conn.client.fd < 0) && !yield(e.conn) {
				return
			}
		}
	}
}

// Kill closes a connection at once and reports whether there was one of that number.
func (g *Group) Kill(number int) (found bool) {
	g.ask(func(l *Loop) {
		for c := range l.connections() {
			if int(c.number) == number {
				found = true
				l.close(c, account.Forced)
				return
			}
		}
	})
	return found
}

// Idlers is how many connections to servers stand open with no client.
func (g *Group) Idlers() (n int) {
	g.ask(func(l *Loop) { n += l.idlers })
	return n
}

// Tune gives connections that begin from now on other socket options.
func (g *Group) Tune(t sys.Tuning) {
	g.post(func(l *Loop) {
		l.tuning = t
		if !l.listener.unix && l.listener.fd.Int() >= 0 {
			if e := t.Renew(l.listener.fd.Int()); e != 0 {
				l.log.Warn("socket options of the listener", "error", e)
			}
		}
	})
}

// LogTo has what clients send told to a, from now on; nil: to nobody. What already goes through splice stays unseen.
func (g *Group) LogTo(a Access) { g.ask(func(l *Loop) { l.access = a }) }

// TapTo has what connections carry that begin from now on shown to t; nil: to nobody.
func (g *Group) TapTo(t Tap) { g.ask(func(l *Loop) { l.tap = t }) }

// Refresh has the loops look at the published plan again: timeouts and idlers hold for what is already there, the accept rate for clients that wait, and who waits for a server may have one now.
func (g *Group) Refresh() {
	g.gate.setPace(g.loops[0].balancer.Plan())
	g.post(func(l *Loop) {
		l.refresh()
		l.listener.paced = false
		l.look(expiryBudget)
		l.startTicking() // the tick sees to the idlers
	})
}

// SetMax changes the connection limit. Connections over a lowered one stay.
func (g *Group) SetMax(n int) {
	g.gate.max.Store(int64(n))
	g.gate.wake()
}

// Move has the loops listen elsewhere: the new listeners are opened before the old ones are closed, and connections go on. On error nothing has changed.
// Listeners that the service manager holds stay: clients would go on coming to them, and nobody would accept.
func (g *Group) Move(to Endpoint) error {
	if g.held {
		return fmt.Errorf("listen %s: the service manager holds the listener: change its socket unit and restart", to)
	}
	g.door.Lock()
	defer g.door.Unlock()
	cfg := *g.loops[0].cfg
	cfg.Endpoint = to
	fds, err := listen(&cfg)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		for _, fd := range fds {
			fd.Close()
		}
		return nil
	}
	g.addr, _ = sys.LocalAddr(fds[0].Int())
	g.unlink()
	g.path = to.Path
	g.suspended.Store(false)
	for i, l := range g.loops {
		l.post(func(l *Loop) { l.moveTo(fds[i], to.Path != "") })
	}
	return nil
}

// moveTo takes a new listener's place of the old one, which it serves to the end of its queue.
func (l *Loop) moveTo(fd *sys.FD, unix bool) {
	if l.state != running {
		fd.Close()
		return
	}
	l.emptyBacklog()
	l.hangUp()
	ln := &l.listener
	ln.fd, ln.unix, ln.deaf, ln.muted = fd, unix, true, false // a rest for want of descriptors goes on
	l.ear.Store(int32(fd.Int()))
	l.tuning.Renew(fd.Int())
	l.hear()
}
