package loop

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
	"pen/splice"
)

// A scenario is one connection's life as its two peers make it: what each of them does, in which order, and on what kind of sockets.
// It is decoded from bytes, so that a fuzzer can search for the ones that break the model.
type scenario struct {
	poller   string
	mode     splice.Mode
	unix     [2]bool // the side's family: the client's, the server's
	tiny     [2]bool // the side's buffers are as small as they get
	tinyLoop bool    // and so are the loop's: whoever does not read holds the other up
	plain    bool    // no shortcuts
	pipeSize int
	pipes    int
	ops      []op
}

const (
	clientSide = iota
	serverSide
)

// op is one thing that a peer does.
type op struct {
	side int
	do   action
	n    int // bytes to write or to read
}

type action uint8

const (
	doWrite action = iota
	doRead
	doPause
	doShut
	doClose
	doReset
	doShutReset // both before anybody can see the first
	doDoze      // nothing is said for a while, though not for long enough to be idle
	doLapse     // nothing is said until the idle timeout is over: time passes for the loop, and for nobody else
)

func (a action) String() string {
	return [...]string{"writes", "reads", "pauses", "shuts down writing", "closes", "resets", "shuts down writing and resets", "dozes", "lets the idle timeout pass"}[a]
}

// actions gives each way to behave its share; the endings are rare, or most connections would be short.
var actions = [16]action{doWrite, doWrite, doWrite, doWrite, doWrite, doRead, doRead, doRead, doPause, doPause, doPause, doShut, doShut, doClose, doReset, doShutReset}

// The pauses of which the upper bits, all but the side's, are these become waits that the loop's timers see.
const dozing, lapsing = 6 << 4, 7 << 4

const maxOps = 60

// idleTimeout is the loop's, dozeTime less, and lapseTime more than anything it waits for.
const idleTimeout, dozeTime, lapseTime = time.Minute, 40 * time.Second, 100 * time.Second

func decode(b []byte) scenario {
	at := func(i int) int {
		if i < len(b) {
			return int(b[i])
		}
		return 0
	}
	kind, size := at(0), at(1)
	s := scenario{
		poller: Pollers[kind&1], mode: allModes[kind>>1%4%3], unix: [2]bool{kind&8 != 0, kind&16 != 0}, pipeSize: 256 << 10, pipes: [...]int{16, 16, 1, 0}[kind>>6],
		tiny: [2]bool{size&1 != 0, size&2 != 0}, tinyLoop: size&4 != 0, plain: size&8 != 0,
	}
	if kind&32 != 0 {
		s.pipeSize = 4096
	}
	most := 20 // log2 of the bytes of the largest write or read
	if s.tiny[0] || s.tiny[1] || s.tinyLoop {
		most = 15
	}
	for i := 2; i+1 < len(b) && len(s.ops) < maxOps; i += 2 {
		o := op{side: at(i) >> 7, do: actions[at(i)%16], n: 1<<(at(i+1)%(most+1)) + at(i+1)/(most+1)}
		switch upper := at(i) & (7 << 4); {
		case o.do == doPause && upper == dozing:
			o.do = doDoze
		case o.do == doPause && upper == lapsing:
			o.do = doLapse
		}
		s.ops = append(s.ops, o)
	}
	return s
}

func (s scenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s poller, splice %v, unix %v, tiny buffers %v, of the loop %v, %d pipes of %d bytes:", s.poller, s.mode, s.unix, s.tiny, s.tinyLoop, s.pipes, s.pipeSize)
	for _, o := range s.ops {
		fmt.Fprintf(&b, "\n\t%s %v", [...]string{"client", "server"}[o.side], o.do)
		if o.do <= doRead {
			fmt.Fprintf(&b, " %d", o.n)
		}
	}
	return b.String()
}

// actor is one side and what the model knows of it.
type actor struct {
	name  string
	fd    *peer // nil: none yet
	unix  bool
	other *actor
	text  []byte // what it writes, again and again

	sent  int  // bytes the kernel took
	got   int  // bytes read
	shut  bool // it has ended its direction
	gone  bool // it has closed or reset
	rst   bool // it has gone by RST
	clean bool // it has gone having read all there will ever be: no RST can follow from it
	eof   bool // it has read the end of file
	err   syscall.Errno
}

// textPeriod is prime, so that bytes lost or repeated in round numbers do not go unnoticed.
const textPeriod = 1_000_003

var texts = [2][]byte{noise(textPeriod), noise(2 * textPeriod)[textPeriod:]}

// part returns a piece of a text at an offset of the stream, n bytes or what is left of the period.
func part(text []byte, at, n int) []byte {
	at %= len(text)
	return text[at:min(at+n, len(text))]
}

// play is a scenario under way.
type play struct {
	*rig
	scenario
	sides [2]*actor
	farm  *farm
	buf   []byte

	dozed bool // once is short of the timeout, twice might not be
	cut   bool // the idle timeout has passed: the connection is over, whatever was on its way
	idle  bool // and that was what ended it
}

// run plays a scenario and holds what happens against the model.
func (s scenario) run(t *testing.T) {
	p := &play{scenario: s, buf: make([]byte, 64<<10)}
	p.farm = newFarm(t)
	if s.unix[serverSide] {
		p.farm = newUnixFarm(t)
	}
	p.rig = newRig(t, s.poller, []string{p.farm.addr}, func(c *Config, plan *balance.Plan) {
		plan.IdleTimeout = idleTimeout
		c.Loops, c.Splice, c.Pipes, c.PipeSize, c.Shortcuts = 1, s.mode, s.pipes, s.pipeSize, !s.plain
		if s.unix[clientSide] {
			c.Endpoint = Endpoint{Path: temporary(t)}
		}
	})
	if s.tiny[serverSide] {
		shrink(p.farm.fd.Int())
	}
	for i, name := range []string{"client", "server"} {
		p.sides[i] = &actor{name: name, unix: s.unix[i], text: texts[i], clean: true}
	}
	p.sides[0].other, p.sides[1].other = p.sides[1], p.sides[0]
	to := balance.Address{IP: p.Addr(), Path: p.path}
	p.sides[clientSide].fd = dialPeer(t, to)
	if s.tiny[clientSide] {
		shrink(int(*p.sides[clientSide].fd))
	}
	if s.tinyLoop {
		p.connected()
		p.ask(func(l *Loop) {
			for fd := range l.ends.all() {
				shrink(fd)
			}
		})
	}
	for _, o := range s.ops {
		p.act(o)
	}
	p.act(op{side: serverSide, do: doPause})
	p.finish()
}

// shrink gives a socket the smallest buffers at which it still moves at a reasonable speed.
func shrink(fd int) {
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4<<10)
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
}

// connected waits until the loop knows that it has reached the server.
func (p *play) connected() {
	slot := p.slots.Get(p.plan.Servers[0].ID)
	until(p.t, func() bool { return slot.Connects() == 1 }, func() any { return slot.Connects() }, "connects", 1)
}

func (p *play) act(o op) {
	a := p.sides[o.side]
	if o.side == serverSide && a.fd == nil {
		a.fd = p.farm.take()
		p.connected() // a server that resets before the loop knows has refused
	}
	if a.gone {
		return
	}
	switch o.do {
	case doWrite:
		p.write(a, o.n)
	case doRead:
		p.read(a, o.n)
	case doPause:
		time.Sleep(time.Millisecond) // the peers' own pace
	case doDoze:
		if !p.dozed {
			p.dozed = true
			p.pass(dozeTime)
		}
	case doLapse:
		p.lapse()
	case doShut:
		a.shut = true
		a.fd.shut()
	case doClose, doReset, doShutReset:
		if o.do == doShutReset {
			a.shut = true
			a.fd.shut()
		}
		if o.do == doClose {
			a.fd.close()
		} else {
			a.rst = !a.unix
			a.fd.reset()
		}
		a.gone, a.clean = true, a.got == a.other.sent && !a.rst
	}
}

// pass has time pass for the loop.
func (p *play) pass(d time.Duration) {
	p.connected() // before, it is not the idle timeout that runs
	p.ask(func(l *Loop) {
		l.cfg.epoch = l.cfg.epoch.Add(-d)
		l.tick()
	})
}

// lapse lets the idle timeout pass. After it there is no connection, whatever state it was in.
func (p *play) lapse() {
	if client, server := p.sides[clientSide], p.sides[serverSide]; !p.cut {
		p.idle = !client.shut && !client.gone && !server.shut && !server.gone
	}
	p.cut = true
	p.pass(lapseTime)
	p.pass(2 * lingerTime) // which is what is given to those who have yet to take the last bytes
	if n := p.Live(); n != 0 {
		p.t.Errorf("%d connections are left when the idle timeout has passed: %v", n, p.state())
	}
}

func (p *play) write(a *actor, n int) {
	for n > 0 && !a.shut && a.err == 0 {
		m, e := sys.Send(int(*a.fd), part(a.text, a.sent, n))
		a.sent += m
		n -= m
		if m > 0 {
			a.other.clean = a.other.clean && !a.other.gone
		}
		switch {
		case e == syscall.EAGAIN:
			return
		case e != 0:
			p.failed(a, "write", e)
		}
	}
}

// read reads up to n bytes and checks each.
func (p *play) read(a *actor, n int) {
	for n > 0 && !a.eof && a.err == 0 {
		m, e := sys.Recv(int(*a.fd), p.buf[:min(n, len(p.buf))])
		n -= m
		switch {
		case e == syscall.EAGAIN:
			return
		case e != 0:
			p.failed(a, "read", e)
		case m == 0:
			a.eof = true
			if !a.other.shut && !a.other.gone && !p.cut {
				p.t.Errorf("the %s reads an end of file after %d bytes, the %s has not ended", a.name, a.got, a.other.name)
			}
			if p.owed(a) && a.got != a.other.sent {
				p.t.Errorf("the %s reads an end of file after %d of %d bytes", a.name, a.got, a.other.sent)
			}
		default:
			for rest := p.buf[:m]; len(rest) > 0; {
				want := part(a.other.text, a.got, len(rest))
				if string(rest[:len(want)]) != string(want) {
					p.t.Fatalf("the %s reads bytes that are not the %s's, in the %d from %d", a.name, a.other.name, len(want), a.got)
				}
				a.got += len(want)
				rest = rest[len(want):]
			}
			if a.got > a.other.sent {
				p.t.Fatalf("the %s has read %d bytes, the %s has written %d", a.name, a.got, a.other.name, a.other.sent)
			}
		}
	}
}

// owed reports whether a side is to get every byte of the other's: nobody has reset, nobody has closed with bytes unread or still to come, and time has not run out.
func (p *play) owed(a *actor) bool { return !p.cut && (!a.other.gone || a.other.clean) }

func (p *play) failed(a *actor, what string, e syscall.Errno) {
	a.err = e
	if !a.other.gone && !p.cut {
		p.t.Errorf("the %s's %s ends with %v, the %s is well", a.name, what, e, a.other.name)
	}
}

// finish has those who are left take what they are owed, checks that they are told of the others' end, then ends them, and looks for what remains.
func (p *play) finish() {
	if p.t.Failed() {
		return
	}
	p.await("what is owed", func(a *actor) bool {
		switch {
		case p.owed(a) && a.got != a.other.sent:
			return false
		case p.owed(a) && (a.other.shut || a.other.gone):
			return a.eof
		case p.owed(a):
			return true
		}
		return a.eof || a.err != 0
	})
	for _, a := range p.sides {
		if !a.gone && a.other.rst && !p.cut {
			p.told(a)
		}
	}
	for _, a := range p.sides {
		if !a.gone && !a.shut {
			a.shut = true
			a.fd.shut()
		}
	}
	p.await("the end", func(a *actor) bool { return a.eof || a.err != 0 })
	for i := range p.sides {
		p.act(op{side: i, do: doClose})
	}
	until(p.t, func() bool { return p.Live() == 0 }, func() any { return p.state() }, "connections", "none")
	p.Stop()
	p.Wait()
	p.audit()
}

// await has both sides read until they have what they wait for.
func (p *play) await(what string, has func(*actor) bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Microsecond) {
		all := true
		for _, a := range p.sides {
			if !a.gone {
				p.read(a, 1<<30)
				all = all && has(a)
			}
		}
		if all || p.t.Failed() {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s never comes: %v", what, p.state())
		}
	}
}

// told checks that a side whose other has reset learns of it, and that the loop is done with the connection though this side does nothing about it.
func (p *play) told(a *actor) {
	until(p.t, func() bool { return p.Live() == 0 }, func() any { return p.state() }, "connections after a reset", "none")
	if a.unix || a.shut && a.other.shut || a.other.shut && a.name == "client" {
		return // there is no RST on a Unix socket; the connection was over; a server that has ended has answered (settle)
	}
	if a.err == 0 {
		a.err = a.fd.pending()
	}
	if a.err != syscall.ECONNRESET && a.err != syscall.EPIPE {
		p.t.Errorf("the %s has reset, the %s was told %v", a.other.name, a.name, a.err)
	}
}

func (p *play) state() string {
	var b strings.Builder
	for _, a := range p.sides {
		fmt.Fprintf(&b, "%s %+v; ", a.name, struct {
			sent, got                   int
			shut, gone, rst, clean, eof bool
			err                         syscall.Errno
		}{a.sent, a.got, a.shut, a.gone, a.rst, a.clean, a.eof, a.err})
	}
	seen := make(chan string, 1)
	p.loops[0].post(func(l *Loop) {
		s := "no connection"
		for _, e := range l.ends.all() {
			s = fmt.Sprintf("connection %+v", *e.conn)
		}
		seen <- s
	})
	select {
	case s := <-seen:
		b.WriteString(s)
	case <-p.loops[0].ended:
	}
	return b.String()
}

// audit looks at what the loop says it has done.
func (p *play) audit() {
	totals := p.Totals()
	var ended uint64
	for _, n := range totals.Ended {
		ended += n
	}
	if ended != 1 || totals.Counts[account.Accepted] != 1 {
		p.t.Errorf("%d connections accepted and %d ended, expected 1: %v", totals.Counts[account.Accepted], ended, totals.Attrs())
	}
	if idle := totals.Ended[account.Idle] == 1; idle != p.idle && (p.idle || !p.cut) {
		p.t.Errorf("ended by the idle timeout: %v, expected %v: %v", idle, p.idle, totals.Attrs())
	}
	slot := p.slots.Get(p.plan.Servers[0].ID)
	client, server := p.sides[clientSide], p.sides[serverSide]
	for _, c := range []struct {
		what         string
		ledger, slot uint64
		got, sent    int
	}{
		{"up", totals.Counts[account.BytesUp], slot.Up(), server.got, client.sent},
		{"down", totals.Counts[account.BytesDown], slot.Down(), client.got, server.sent},
	} {
		if c.ledger < uint64(c.got) || c.ledger > uint64(c.sent) || c.slot != c.ledger {
			p.t.Errorf("%d bytes %s in the ledger, %d at the server: %d were sent and %d arrived", c.ledger, c.what, c.slot, c.sent, c.got)
		}
	}
	if moved := totals.Counts[account.BytesUp] + totals.Counts[account.BytesDown]; moved != totals.Counts[account.BytesSpliced]+totals.Counts[account.BytesCopied] {
		p.t.Errorf("%d bytes moved, %d of them spliced and %d copied", moved, totals.Counts[account.BytesSpliced], totals.Counts[account.BytesCopied])
	}
	for fd := range p.loops[0].ends.all() {
		p.t.Errorf("descriptor %d is still a connection's", fd)
	}
	if open, _, _, _ := p.Pipes(); open != 0 {
		p.t.Errorf("%d pipes are open after the loops were put away", open)
	}
}
