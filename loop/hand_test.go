package loop

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"pen/affinity"
	"pen/internal/backend"
	"pen/internal/balance"
	"pen/internal/sys"
)

// hand is one loop on the raw poller that the test turns itself: nothing happens in it but when it is told to, so that a test decides which events meet in one batch.
type hand struct {
	*Loop
	t     *testing.T
	at    netip.AddrPort // where clients connect; the zero AddrPort on a Unix socket
	path  string
	slots *backend.Slots
	table *affinity.Table
	plan  *balance.Plan
}

func newHand(t *testing.T, servers []string, tweak func(*Config, *balance.Plan)) *hand {
	t.Helper()
	cfg, plan, slots, table := prepare(t, "raw", servers)
	cfg.Loops, cfg.epoch = 1, time.Now()
	if tweak != nil {
		tweak(&cfg, plan)
	}
	fds, err := listen(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	h := &hand{t: t, path: cfg.Endpoint.Path, slots: slots, table: table, plan: plan}
	if h.path == "" {
		h.at, _ = sys.LocalAddr(fds[0].Int())
	}
	b := balance.New(slots, table, plan)
	g, q := new(gate), &line{balancer: b}
	g.max.Store(int64(cfg.MaxConns))
	g.pitMost = cfg.TarpitMost
	if h.Loop, err = openLoop(&cfg, 0, fds[0], b, g, q); err != nil {
		t.Fatal(err)
	}
	g.loops, q.loops = []*Loop{h.Loop}, []*Loop{h.Loop}
	t.Cleanup(func() {
		h.stop()
		if n := h.live; n != 0 {
			t.Errorf("%d connections are left after a stop", n)
		}
		if n := g.live.Load(); n != 0 {
			t.Errorf("the gate counts %d connections when none is left", n)
		}
		for _, s := range plan.Servers {
			if n := slots.Get(s.ID).Live(); n != 0 {
				t.Errorf("server %s has %d connections when none is left", s.Name, n)
			}
		}
		noneLive(t, table)
		if n := g.held.Load(); n != 0 {
			t.Errorf("%d connections are left in the tarpit after a stop", n)
		}
		if open, idle := h.pipes.Open(), h.pipes.Idle(); open != idle {
			t.Errorf("of %d pipes only %d are idle when no connection is left", open, idle)
		}
		h.release()
		table.Close()
	})
	return h
}

// step has every system call made that can be, and at once, so that a connection is seen to be connecting.
func step(cfg *Config, _ *balance.Plan) { cfg.Shortcuts, cfg.SendBatch = false, false }

// batch handles one batch of events, waiting for it at most so many milliseconds, and the turn after it. It reports whether anything was to be done.
func (h *hand) batch(msec int) bool {
	busy := h.events(msec)
	h.turn()
	return busy
}

// accept is the batch in which the listener alone has an event, with what is sent at its end.
func (h *hand) accept() {
	h.Loop.accept()
	h.say()
}

// stopClock has no tick come between: what is in the outbox would be sent first.
func (h *hand) stopClock() { h.poll.remove(h.timerfd.Int()) }

// events is batch without the turn.
func (h *hand) events(msec int) bool {
	p := h.poll.(*rawPoller)
	busy := p.again
	p.again = false
	n, _ := sys.EpollWaitRaw(p.epoll.Int(), p.events[:], msec)
	for i := range n {
		if fd := int(p.events[i].Fd); fd != p.bell.Int() {
			h.event(fd, uint16(p.events[i].Pad), p.events[i].Events)
			continue
		}
		sys.ClearCounter(p.bell.Int())
		p.rung.Store(false)
	}
	return n > 0 || busy
}

// calm handles whatever happens until nothing has for two milliseconds, which is long on loopback.
func (h *hand) calm() {
	h.t.Helper()
	for deadline := time.Now().Add(patience); h.batch(2) || h.poll.(*rawPoller).again; {
		if time.Now().After(deadline) {
			h.t.Fatal("the loop does not come to rest")
		}
	}
}

// until handles whatever happens until a condition holds.
func (h *hand) until(ok func() bool, what string) {
	h.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); h.batch(1) {
		if time.Now().After(deadline) {
			h.t.Fatalf("never: %s", what)
		}
	}
}

// only returns the one connection the loop has.
func (h *hand) only() *conn {
	h.t.Helper()
	for _, e := range h.ends.all() {
		return e.conn
	}
	h.t.Fatal("there is no connection")
	return nil
}

// peer is a raw non-blocking socket of the test's.
type peer int

// own makes a descriptor a peer, closed with the test unless the test closes it.
func own(t *testing.T, fd int) *peer {
	p := peer(fd)
	t.Cleanup(p.close)
	return &p
}

// dial connects to the loop; the kernel accepts, the loop does not yet.
func (h *hand) dial() *peer {
	h.t.Helper()
	if h.path != "" {
		return dialPeer(h.t, balance.Address{Path: h.path})
	}
	return dialPeer(h.t, balance.Address{IP: h.at})
}

func dialPeer(t *testing.T, to balance.Address) *peer {
	t.Helper()
	fd, e := sys.Socket(family(&to))
	if e != 0 {
		t.Fatal(e)
	}
	p := own(t, fd)
	for e = ask(fd, &to); e == syscall.EINPROGRESS || e == syscall.EALREADY; e = ask(fd, &to) {
		time.Sleep(time.Millisecond)
	}
	if e != 0 && e != syscall.EISCONN {
		t.Fatalf("connect %v: %v", to, e)
	}
	return p
}

// farm is a server whose connections the test takes by hand.
type farm struct {
	t    *testing.T
	addr string
	fd   *sys.FD
}

func newFarm(t *testing.T) *farm {
	t.Helper()
	fds, err := sys.ListenTCP(netip.MustParseAddrPort("127.0.0.1:0"), false, 1, 500, sys.Tuning{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fds[0].Close() })
	at, _ := sys.LocalAddr(fds[0].Int())
	return &farm{t: t, addr: at.String(), fd: fds[0]}
}

func newUnixFarm(t *testing.T) *farm {
	t.Helper()
	path := temporary(t)
	fds, err := sys.ListenUnix(path, 1, 500)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fds[0].Close() })
	return &farm{t: t, addr: path, fd: fds[0]}
}

// take accepts a connection that is there or about to be.
func (f *farm) take() *peer {
	f.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if fd, _, e := sys.Accept(f.fd.Int()); e == 0 {
			return own(f.t, fd)
		}
		if time.Now().After(deadline) {
			f.t.Fatal("no connection to accept")
		}
	}
}

// pair has a client connected through the loop.
func (h *hand) pair(f *farm) (client, server *peer) {
	h.t.Helper()
	client = h.dial()
	h.calm()
	return client, f.take()
}

func (p *peer) close() {
	if *p >= 0 {
		sys.Close(int(*p))
		*p = -1
	}
}

// reset closes with RST.
func (p *peer) reset() {
	sys.ResetOnClose(int(*p))
	p.close()
}

func (p *peer) shut() { sys.ShutWrite(int(*p)) }

// send writes and returns how much was taken.
func (p *peer) send(b []byte) int {
	n, _ := sys.Send(int(*p), b)
	return n
}

// recv reads what is there: the bytes, and what ended it: EAGAIN nothing more for now, 0 end of file.
func (p *peer) recv() (got []byte, e syscall.Errno) {
	buf := make([]byte, 64<<10)
	for {
		n, e := sys.Recv(int(*p), buf)
		if e != 0 || n == 0 {
			return got, e
		}
		got = append(got, buf[:n]...)
	}
}

// rest reads to the end of what a peer is sent: how many bytes came, and how it ended.
func (h *hand) rest(p *peer) (n uint64, e syscall.Errno) {
	h.t.Helper()
	h.until(func() bool {
		var got []byte
		got, e = p.recv()
		n += uint64(len(got))
		return e != syscall.EAGAIN
	}, "a peer is told of the end")
	return n, e
}
