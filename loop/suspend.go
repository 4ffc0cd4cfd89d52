package loop

import "pen/internal/sys"

// Suspend has clients refused until Resume, so that they and whoever sends them here go elsewhere; connections go on. The listeners keep their sockets, and with them the port and the right to it.
// Those that wait to be accepted are accepted first. Unix listeners cannot be suspended and stay as they are.
func (g *Group) Suspend() {
	g.door.Lock()
	defer g.door.Unlock()
	g.ask((*Loop).mute)
	g.suspended.Store(true)
}

// Resume has clients accepted again. An error says that none are: somebody else has got the address meanwhile.
func (g *Group) Resume() (err error) {
	g.door.Lock()
	defer g.door.Unlock()
	g.ask(func(l *Loop) { // in order, as the steering program counts them
		if err == nil {
			err = l.unmute()
		}
	})
	if err != nil {
		g.ask((*Loop).mute)
		return err
	}
	g.suspended.Store(false)
	return nil
}

// Suspended reports whether clients are refused. A Move ends that.
func (g *Group) Suspended() bool { return g.suspended.Load() }

// mute has the listener refuse clients.
func (l *Loop) mute() {
	ln := &l.listener
	if l.state != running || ln.unix || ln.muted {
		return
	}
	l.emptyBacklog()
	l.deafen()
	ln.muted = true
	if err := sys.Mute(ln.fd.Int()); err != nil {
		l.log.Error("close the listener", "error", err)
	}
}

// unmute has the listener take clients again.
func (l *Loop) unmute() error {
	ln := &l.listener
	if l.state != running || !ln.muted {
		return nil
	}
	if err := sys.Unmute(ln.fd.Int(), l.cfg.Backlog); err != nil {
		return advise(err)
	}
	ln.muted = false
	if l.numbers.first == 0 {
		if err := l.cfg.steer(ln.fd.Int()); err != nil {
			return err
		}
	}
	l.hear()
	return nil
}

// Backlog is how many clients wait to be accepted, over all loops, and how many may. On a Unix socket nobody knows. It asks the kernel and no loop.
func (g *Group) Backlog() (waiting, most int) {
	for _, l := range g.loops {
		n, of := sys.ListenQueue(int(l.ear.Load()))
		waiting, most = waiting+n, most+of
	}
	return waiting, most
}
