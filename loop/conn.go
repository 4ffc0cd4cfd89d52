package loop

import (
	"net/netip"
	"syscall"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
	"pen/splice"
)

// state is where a connection is in its life.
//
//	        ┌─► queued ─────────────────────────────────────┐
//	        │     │▲                                        ▼
//	accept ─┴► connecting ──► forwarding ──► lingering ──► dead
//	             │   ▲  │          │                         ▲
//	             └───┘  │          └─────────────────────────┤
//	         next server└────────────────────────────────────┘
//
// connecting: a server was chosen and its answer is awaited; the client is not read. A refused or late server makes room for the next one.
// queued: every server that would do has as many connections as it may have; the client is not read and waits for one of them (queue.go).
// forwarding: bytes go both ways, each direction ends on its own.
// answering: the dummy's part, there is no server (answer.go).
// tarpitted: the client asks for too much and is held for a while, from connecting on; there is no server (tarpit.go).
// idling: an idler's part, there is no client (idlers.go).
// lingering: one side is gone; the other is given the time to take what was sent to it before it is closed.
// dead: nothing is owned any more; the struct waits to be used again.
type state uint8

const (
	connecting state = iota
	queued
	forwarding
	answering
	tarpitted
	idling
	lingering
	dead
)

// What the kernel reports, seen with strace on both families (EPOLLET, Linux 6.x):
//
//	peer sent data             IN          read gives bytes
//	peer shut down writing     IN RDHUP    read gives what is left, then 0; no further edge will come
//	both directions shut       + HUP       the same; HUP alone says nothing about errors
//	peer reset                 + ERR HUP   read gives what is left, then ECONNRESET once, then 0
//	connect stands             OUT
//	connect refused            OUT ERR HUP
//
//	peer sent urgent data      IN PRI      read stops short at the mark and gets past it when called again; splice stays there: EAGAIN, or 0 if the end is queued behind
//
// Hence: after RDHUP, HUP or ERR reading goes on until it answers 0 or an error, after PRI until EAGAIN, a short read notwithstanding; and no splice's 0 is believed.
// A Unix socket's read also stops short behind bytes that came with descriptors, and nothing tells: there a short read never means anything.

// end is one socket of a connection.
type end struct {
	conn     *conn
	fd       int32  // -1: none
	serial   uint16 // what its events are known by; never 0
	watching watching
	readable bool  // reading may bring something: set by events, cleared by EAGAIN or a short read
	writable bool  // writing may take something: set by events, cleared by EAGAIN or a short write
	thorough bool  // a short read does not mean that there is nothing left: RDHUP, HUP or ERR was seen, or urgent data, or it is a Unix socket
	finned   bool  // an event of its own said RDHUP: what is there to be read is all that will ever be
	stands   bool  // an event of its own said OUT and no error: it is connected
	urgent   bool  // urgent data was seen: no splice gets past its mark
	reset    bool  // an error of the connection has shown itself to another call; the reads after it would take it for an end of file
	failed   bool  // ERR was seen and not yet looked into
	errno    uint8 // that ended it; 0 none
}

// watching is what the poller was asked to report of an end.
type watching uint8

const (
	unwatched watching = iota
	enrolled           // by a serial of before: the socket was parked
	watchingReads
	watchingBoth
)

// note takes in an event. If it is not sure to be this end's own (poller.go), it is only a hint: it may have a look taken, but nothing is concluded from it.
func (e *end) note(events uint32, sure bool) {
	const over = sys.RdHup | sys.Hup | sys.Err
	if sure && events&(sys.Hup|sys.Err) == 0 {
		e.finned = e.finned || events&sys.RdHup != 0
		e.stands = e.stands || events&sys.Out != 0
	}
	if events&(sys.In|urgent|over) != 0 {
		e.readable = true
	}
	if events&(sys.Out|sys.Hup|sys.Err) != 0 {
		e.writable = true
	}
	if events&(urgent|over) != 0 {
		e.thorough = true
	}
	if events&sys.Err != 0 {
		e.failed = true
	}
	if events&urgent != 0 {
		e.urgent = true
	}
}

// half is one direction of a connection: what was read from one end and not yet written to the other.
//
// Invariants: never both a tail and a pipe with data · shut ⇒ eof and nothing pending · broken ⇒ nothing pending · shut and broken exclude each other.
type half struct {
	tail   *tail        // read and not yet all written; nil if none
	pipe   *splice.Pipe // nil when not splicing, and whenever idle
	bytes  uint64       // written so far
	told   uint32       // of those, reported to the balancer; their low bits: it never lags by as much as these can count
	moved  uint32       // of one that bytes wait in: tick at which some last went out, or at which they began to wait
	flow   splice.Flow
	eof    bool // the source has ended
	shut   bool // and so has the destination's view of it
	broken bool // the destination takes no more; what still comes is read and dropped
	batch  batched
}

// batched is where a direction's last message is that went by the outbox.
type batched uint8

const (
	away    batched = iota // or there was none
	inside                 // still in the outbox
	refused                // in tail, and in the destination's errno is why; flush has not been told yet
)

// tail is what a destination did not take at once, in a buffer of the loop's stock.
type tail struct {
	buf  []byte
	sent int // bytes of buf that are written
}

func (h *half) pending() bool { return h.tail != nil || h.pipe != nil && h.pipe.Data > 0 }
func (h *half) over() bool    { return h.shut || h.broken }

// still tells a direction in which forward would find nothing to do.
func (h *half) still(src *end) bool { return !src.readable && !h.eof && h.tail == nil && h.pipe == nil }

// conn is one connection: a client, the server it was given, and a direction each way. Owned by its loop.
// It takes 256 bytes, one of the allocator's sizes: the next is 288. There are many.
type conn struct {
	client, server end
	up, down       half // client to server, server to client

	peer   netip.AddrPort  // the client; zero on a Unix socket
	chosen *balance.Server // nil: none yet, or given back
	search *search         // of a connection that is looking for its server; from the loop's stock
	filter Filter          // rewrites what the client sends; nil mostly
	timer  timer           // of a dead connection, next is that of the free list

	marks         // when it came to what
	due    uint32 // tick at which its time is up, if timed
	number uint32 // what the operator calls it

	why    balance.Why
	state  state
	cause  account.Cause
	ending ending // how a lingering connection is to end
	timed  bool   // in the wheel
	listed bool   // on the loop's ready list: not to be reused before it has come off
	idler  bool   // has no client
	tuned  bool   // the server's socket has its options
	plain  bool   // it has none from openServer, but for its congestion control
	parted bool   // it was sent our FIN

	dialling bool // its connect is in the outbox, or has been made and it has not gone on yet: not to be reused either

	stay balance.Stay // what the client was counted in by, once Choose has been asked
}

// Filter rewrites a direction's bytes. Owned by the connection.
type Filter interface {
	Append(dst, src []byte) []byte // appends what is to be sent for src, perhaps later or never
	End()                          // the source has ended
	Bad() bool                     // it cannot be rewritten safely: the connection must end
	Passing() bool                 // from here on it is sent as it is
}

// Access is told what clients send. Line must not block, and may not keep data.
type Access interface {
	Line(now int64, client netip.Addr, server string, data []byte)
}

// Tap is shown everything that connections carry, as it is read. Show must not keep data, and holds up the loop for as long as it takes.
type Tap interface {
	Show(number int, up bool, data []byte)
}

// other returns the direction opposite to h.
func (c *conn) other(h *half) *half {
	if h == &c.up {
		return &c.down
	}
	return &c.up
}

// toward returns the direction that leads to an end.
func (c *conn) toward(e *end) *half {
	if e == &c.server {
		return &c.up
	}
	return &c.down
}

func (c *conn) balanceClient() balance.Client { return balance.Client{Addr: c.peer} }

// open takes an accepted socket into a connection; -1 for an idler, which has no client.
func (l *Loop) open(fd int, peer netip.AddrPort) *conn {
	c := l.free
	if c == nil {
		c = new(conn)
	} else {
		l.free = c.timer.next
	}
	*c = conn{peer: peer, number: l.numbers.get(), marks: marks{began: l.now()}}
	c.client = end{conn: c, fd: int32(fd), readable: true, writable: true, thorough: l.listener.unix}
	c.server = end{conn: c, fd: -1}
	c.up.flow.Start(l.cfg.Splice)
	c.down.flow.Start(l.cfg.Splice)
	if fd >= 0 {
		l.enter(&c.client)
	}
	l.live++
	l.ledger.Opened()
	return c
}

// enter makes events of an end's descriptor find it.
func (l *Loop) enter(e *end) {
	if l.serial++; l.serial == 0 {
		l.serial = 1
	}
	e.serial = l.serial
	l.ends.put(int(e.fd), e)
}

// watch asks the poller for events of an end, those of writability too if out is set. What already holds is reported at once.
func (l *Loop) watch(e *end, out bool) syscall.Errno {
	want, events := watchingReads, uint32(wantRead)
	if out {
		want, events = watchingBoth, wantBoth
	}
	before := e.watching
	if want <= before {
		return 0
	}
	e.watching = want
	if before == unwatched {
		return l.poll.add(int(e.fd), e.serial, events)
	}
	return l.poll.mod(int(e.fd), e.serial, events)
}
