package loop

import (
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
	"pen/splice"
)

// copyBuffer is the room a direction that copies reads into, bytes: in the outbox, or without one in a buffer that a loop's connections share. A read that fills it is the sign of a bulk transfer.
const copyBuffer = 32 << 10

// Loop is one event loop: a goroutine, a poller, a listener, and the connections accepted there, for life.
type Loop struct {
	// constant after open
	cfg      *Config
	balancer *balance.Balancer
	gate     *gate
	line     *line
	ledger   *account.Loop
	log      *slog.Logger
	poll     poller
	cpu      int // to be pinned to; -1 none
	pipes    *splice.Pool
	buf      []byte // copyBuffer bytes
	timerfd  *sys.FD
	ended    chan struct{} // closed when Run has returned

	// owned by the loop
	listener   listener
	outbox     outbox
	tuning     sys.Tuning // of connections to servers; the listener has it as well
	timeouts   timeouts   // the plan's timeouts, as refresh has seen them
	access     Access     // nil: what clients send is not logged
	tap        Tap        // nil: nobody watches what is carried
	numbers    numbers    // of connections
	idlers     int        // connections to servers open with no client
	filtered   []byte     // what a filter made of the bytes read
	ends       ends
	serial     uint16 // of the last end; tells the owners of a descriptor within a batch of events apart
	live       int    // connections open
	ready      []*conn
	working    []*conn // the ready list being worked off; the two change places
	wheel      wheel
	clock      uint32        // ticks since the epoch as of the last tick; the wheel lags behind it while more expires at once than a tick's budget
	period     time.Duration // of the timerfd; 0 disarmed
	calm       int           // ticks in a row that found nothing to wait for
	spare      *sys.FD
	free       *conn // closed connections for reuse, linked by next
	tails      []*tail
	distant    distant
	lot        lot
	searches   []*search
	queue      queue          // who waits for a server
	closes     account.Closes // the last abnormal endings
	witness    Witness        // nil: nobody is told of endings
	meter      meter
	state      loopState
	complaints complaints
	refusals   complaints // the records of connections that are turned away for a client's limits

	// atomic and guarded parts have types of their own
	mailbox mailbox
	starved starved      // accepting waits for the gate
	asked   asked        // to look for those who wait for a server
	ear     atomic.Int32 // the listener's descriptor, for ListenQueue; written by the loop. It may be closed already
}

type loopState uint8

const (
	running  loopState = iota
	draining           // no new connections; ends with the last one
	stopped
)

// openLoop makes a loop around a listener, which it owns from then on, also when it fails.
func openLoop(cfg *Config, index int, l *sys.FD, b *balance.Balancer, g *gate, q *line) (lp *Loop, err error) {
	lp = &Loop{
		cfg: cfg, balancer: b, gate: g, line: q, ledger: new(account.Loop), log: cfg.Log.With("loop", index), cpu: -1,
		pipes: splice.NewPool(share(cfg.Pipes, cfg.Loops, index), cfg.PipeSize), buf: make([]byte, copyBuffer),
		listener: listener{fd: l, unix: cfg.Endpoint.Path != ""}, tuning: cfg.Tuning, timeouts: timeoutsOf(b.Plan()), ended: make(chan struct{}),
		numbers: numbers{first: index, step: cfg.Loops},
	}
	lp.asked.eldest.Store(nobody)
	lp.ear.Store(int32(l.Int()))
	if cfg.CPUs != nil {
		lp.cpu = cfg.CPUs[index%len(cfg.CPUs)]
	}
	defer func() {
		if err != nil {
			lp.release()
		}
	}()
	if lp.poll, err = openPoller(cfg.Poller); err != nil {
		return lp, err
	}
	if lp.timerfd, err = sys.NewTimerFD(); err != nil {
		return lp, err
	}
	if lp.spare, err = sys.NewEventFD(); err != nil {
		return lp, err
	}
	if cfg.SendBatch && cfg.Poller == "raw" { // gnet's does not say when a turn is over
		if lp.outbox.batch, err = sys.OpenBatch(outboxMessages, outboxBytes); err != nil && index == 0 {
			cfg.Log.Info("connects and sends go one by one", "error", err, "remedy", "allow io_uring (Linux 5.19), or say --send-batch off")
		}
	}
	if e := lp.poll.addClock(lp.timerfd.Int()); e != 0 {
		return lp, refusal("epoll_ctl add", e)
	}
	return lp, refusal("epoll_ctl add", lp.poll.add(l.Int(), 0, wantAccept))
}

// share splits n things over parts as evenly as whole numbers allow.
func share(n, parts, index int) int {
	part := n / parts
	if index < n%parts {
		part++
	}
	return part
}

// Run carries connections until the loop is told to drain or stop. What it owns is put away by its group, once no other loop can wake it any more. Run keeps the calling goroutine, and if pinned its thread, for itself.
func (l *Loop) Run() {
	if l.cpu >= 0 {
		if err := pin(l.cpu); err != nil {
			l.log.Warn("pin loop", "cpu", l.cpu, "error", err)
		}
	}
	l.poll.run(l)
	close(l.ended)
}

// event is told of something that happened to a descriptor; with serial 0, of something that may have.
func (l *Loop) event(fd int, serial uint16, events uint32) {
	l.meter.events++
	if !l.meter.due() {
		l.handle(fd, serial, events)
		return
	}
	began := l.now()
	l.handle(fd, serial, events)
	l.worked(began)
}

func (l *Loop) handle(fd int, serial uint16, events uint32) {
	if e := l.ends.at(fd); e != nil {
		if serial != 0 && serial != e.serial { // the descriptor had another owner then
			l.ledger.Add(account.Stale, 1)
			return
		}
		e.note(events, serial != 0)
		l.proceed(e)
		return
	}
	switch fd {
	case l.listener.fd.Int():
		l.accept()
	case l.timerfd.Int():
		l.tick()
	default:
		if !l.lot.holds(fd) {
			l.ledger.Add(account.Stale, 1)
		}
	}
}

// failed is told that the kernel would not have the loop wait.
func (l *Loop) failed(e syscall.Errno) {
	if l.complaints.allow(l.now()) {
		l.log.Error("wait for events", "error", e, "again in", waitRest)
	}
}

// proceed does what an event on one end makes possible.
func (l *Loop) proceed(e *end) {
	c := e.conn
	switch c.state {
	case connecting:
		if e == &c.server {
			l.connected(c, false)
		}
	case queued:
		l.heard(c)
	case forwarding:
		l.carry(c)
	case lingering:
		l.linger(c)
	case answering:
		l.answer(c)
	case tarpitted:
		l.letGo(c)
	case idling:
		l.idle(c)
	}
}

// turn runs after a batch of events: first what others asked for, then what had to wait its turn.
func (l *Loop) turn() bool {
	if !l.meter.due() {
		return l.tidy()
	}
	began := l.now()
	on := l.tidy()
	l.worked(began)
	return on
}

func (l *Loop) tidy() bool {
	l.say()
	if l.mailbox.full.Load() {
		for _, do := range l.mailbox.take() {
			do(l)
		}
	}
	l.hear()
	l.lookIfAsked()
	if len(l.ready) > 0 {
		l.resume()
	}
	l.say()
	return l.state == running || l.state == draining && l.live > 0
}

// later puts a connection that used up its budget on the list for the next turn.
func (l *Loop) later(c *conn) {
	if !c.listed {
		c.listed = true
		l.ready = append(l.ready, c)
	}
	l.poll.soon()
}

func (l *Loop) resume() {
	l.ready, l.working = l.working[:0], l.ready
	for i, c := range l.working {
		l.working[i] = nil
		c.listed = false
		switch c.state {
		case forwarding:
			l.carry(c)
		case lingering:
			l.linger(c)
		case idling:
			l.idle(c)
		case dead:
			l.recycle(c)
		}
	}
}

// now is the time in unix nanoseconds on a clock that never jumps.
func (l *Loop) now() int64 { return l.cfg.epoch.UnixNano() + int64(time.Since(l.cfg.epoch)) }

// release puts away what the loop owns. Its connections are closed already, or never were.
func (l *Loop) release() {
	l.closeParked(len(l.lot.sockets))
	l.pipes.Close()
	l.listener.fd.Close()
	l.timerfd.Close()
	l.spare.Close()
	l.outbox.batch.Close()
	if l.poll != nil {
		l.poll.close()
	}
}
