package loop

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
	"pen/splice"
)

// Config is how a group of loops works. Plain data, copied by Open.
type Config struct {
	Endpoint    Endpoint
	Inherited   []*sys.FD // listeners at the endpoint that the service manager opened and holds, taken over by Open; none: Open opens its own
	Backlog     int
	AcceptBatch int // connections accepted per turn, at least 1
	MaxConns    int // connections at once, over all loops

	Loops  int
	CPUs   []int // to pin the loops to, in turn; nil: not pinned
	Steer  Steer
	Poller string // one of Pollers

	// The tarpit: how long a connection is held there, and how many are at once over all loops; 0 = a tenth of those that may be open.
	TarpitTime time.Duration
	TarpitMost int

	Tuning sys.Tuning // of both legs

	// The congestion control of both legs, and, if another, of what stays within the machine; "" the system's.
	Congestion, LoopbackCongestion string

	// Shortcuts leaves out system calls whose effect a connection can do without: see greet, tune, receive, push.
	Shortcuts bool

	// ReuseSockets connects sockets to servers again that another connection is done with, if Shortcuts has left them without options: see lot.
	ReuseSockets bool

	// SendBatch has the raw poller's loops make a turn's connects and sends in one call, where the kernel lets them: see outbox.
	SendBatch bool

	Splice   splice.Mode
	PipeSize int // bytes wanted
	Pipes    int // open at once, over all loops

	// NewFilter makes what rewrites a client's bytes on their way to the server, for plans that ask for it.
	NewFilter func(client netip.Addr) Filter

	Log   *slog.Logger
	epoch time.Time
}

// steerCPUs lists the CPU each loop is at home on: its own if pinned, else the allowed ones in order.
func (cfg *Config) steerCPUs() []int {
	cpus := cfg.CPUs
	if cpus == nil {
		cpus, _ = sys.CPUs()
	}
	homes := make([]int, 0, cfg.Loops)
	for i := range cfg.Loops {
		if i < len(cpus) {
			homes = append(homes, cpus[i])
		}
	}
	return homes
}

// congestion returns the congestion control for an address of either leg, "" for the system's.
func (cfg *Config) congestion(addr netip.Addr) string {
	if cfg.LoopbackCongestion != "" && addr.Unmap().IsLoopback() {
		return cfg.LoopbackCongestion
	}
	return cfg.Congestion
}

// Group is all the loops of a balancer. Its methods are safe for concurrent use.
type Group struct {
	// constant after Open
	loops []*Loop
	gate  *gate
	held  bool // the listeners are the service manager's: it keeps them open, and removes the file of a Unix socket
	line  *line

	running sync.WaitGroup

	// atomic: Suspend, Resume and Move write
	suspended atomic.Bool

	door sync.Mutex // held from end to end by what opens and closes listeners, so that all loops do the same; taken before mu

	mu sync.Mutex
	// guarded by mu
	addr    netip.AddrPort
	path    string
	started bool // the loops run: what is theirs is theirs alone
	over    bool // they have ended and been put away: there is nobody to post to
}

// Open opens the listeners and makes the loops, but accepts nothing yet. All or nothing.
func Open(cfg Config, b *balance.Balancer) (g *Group, err error) {
	cfg.epoch = time.Now()
	fds, err := listen(&cfg)
	if err != nil {
		return nil, err
	}
	g = &Group{gate: new(gate), line: &line{balancer: b}, path: cfg.Endpoint.Path, held: len(cfg.Inherited) > 0}
	g.gate.pitMost = cfg.TarpitMost
	g.gate.max.Store(int64(cfg.MaxConns))
	g.gate.setPace(b.Plan())
	g.addr, _ = sys.LocalAddr(fds[0].Int())
	for i, fd := range fds {
		l, err := openLoop(&cfg, i, fd, b, g.gate, g.line)
		if err != nil {
			for _, rest := range fds[i+1:] {
				rest.Close()
			}
			g.release()
			return nil, fmt.Errorf("open loop %d: %w", i, err)
		}
		g.loops = append(g.loops, l)
	}
	g.gate.loops, g.line.loops = g.loops, g.loops
	return g, nil
}

// Addr is where clients connect to, with the port the kernel chose if none was named; the zero AddrPort for a Unix socket.
func (g *Group) Addr() netip.AddrPort {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.addr
}

// Start sets the loops running, each on a goroutine of its own.
func (g *Group) Start() {
	roomToRun(len(g.loops))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.started = true
	for _, l := range g.loops {
		g.running.Go(l.Run)
	}
}

// Drain has every loop take the connections already waiting, stop listening, and end with its last connection.
func (g *Group) Drain() { g.post((*Loop).drain) }

// Stop closes every connection at once and ends the loops.
func (g *Group) Stop() { g.post((*Loop).stop) }

// Wait returns when every loop has ended, with everything they owned put away.
func (g *Group) Wait() {
	g.running.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.over {
		g.over = true
		g.release()
	}
}

func (g *Group) post(do func(*Loop)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return
	}
	for _, l := range g.loops {
		l.post(do)
	}
}

func (g *Group) release() {
	for _, l := range g.loops {
		l.release()
	}
	g.unlink()
}

// unlink takes away the file of a Unix listener of ours.
func (g *Group) unlink() {
	if g.path != "" && !g.held {
		os.Remove(g.path)
	}
}

// Now is the time on the loops' clock, unix nanoseconds: it began as the wall clock's and never jumps.
func (g *Group) Now() int64 { return g.loops[0].now() }

// Live is the number of connections open.
func (g *Group) Live() int { return int(g.gate.live.Load()) }

// ask has every loop run a function, one loop after the other, and returns when the last has. A loop that has ended is passed over; of loops that do not run yet the caller does it.
func (g *Group) ask(do func(*Loop)) {
	for _, l := range g.loops {
		done := make(chan struct{})
		g.mu.Lock()
		switch {
		case g.over:
		case g.started:
			l.post(func(l *Loop) { do(l); close(done) })
		default:
			do(l)
			close(done)
		}
		g.mu.Unlock()
		select {
		case <-done:
		case <-l.ended:
		}
	}
}

// Settle has every running connection's bytes reported to the balancer, and returns when that is done.
func (g *Group) Settle() { g.ask((*Loop).tellAll) }

// Totals sums the loops' ledgers.
func (g *Group) Totals() account.Totals { return g.Read().Totals }

// Read reads the loops' ledgers. No loop is asked.
func (g *Group) Read() account.Reading {
	ledgers := make([]*account.Loop, len(g.loops))
	for i, l := range g.loops {
		ledgers[i] = l.ledger
	}
	return account.Read(ledgers)
}

// Pipes returns how many pipes are open, how many of them idle, how often none was to be had, and the smallest size the kernel granted, bytes.
func (g *Group) Pipes() (open, idle int, refused uint64, size int) {
	for _, l := range g.loops {
		open += l.pipes.Open()
		idle += l.pipes.Idle()
		refused += l.pipes.Refused()
		if s := l.pipes.Size(); s > 0 && (size == 0 || s < size) {
			size = s
		}
	}
	return open, idle, refused, size
}
