// Command pen is a TCP load balancer that remembers its clients and sends each back to the server it used last.
//
// main is the plot and holds no logic: parse, open, build, run, wait, drain, close.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"pen/affinity"
	"pen/internal/backend"
	"pen/internal/balance"
	"pen/internal/config"
	"pen/internal/demo"
	"pen/internal/process"
	"pen/internal/sys"
	"pen/loop"
	"pen/probe"
	"pen/splice"
)

const name = "pen"

func main() { os.Exit(run(os.Args[1:])) }

// run does what the arguments say and returns the exit status.
func run(args []string) int {
	if len(args) > 0 && args[0] == "demo" {
		return demo.Run(context.Background(), args[1:], os.Stdout)
	}
	o, err := config.Parse(name, args)
	if err != nil {
		return config.Report(name, err, os.Stdout, os.Stderr)
	}
	if !o.Foreground && !process.Detached() {
		return process.Detach(name)
	}
	birth := process.Born(name)
	log, logs := process.Logger(o.Foreground, o.Debug)
	defer logs.Close()
	p, err := build(o, log)
	if err != nil {
		return birth.Failed(config.ExitCode(err), err)
	}
	defer p.close()
	if err := birth.Ready(); err != nil {
		return birth.Failed(1, err)
	}
	p.serve()
	return 0
}

// pen is a balancer that is ready to serve, and everything it owns.
type pen struct {
	options *config.Options
	log     *slog.Logger
	table   *affinity.Table
	slots   *backend.Slots
	balance *balance.Balancer
	group   *loop.Group
	prober  *probe.Prober
	signals chan os.Signal
	owned   []func() error // what close undoes, in the order in which it was done
}

// build opens everything that can refuse to be opened, and then gives up root. All or nothing.
func build(o *config.Options, log *slog.Logger) (p *pen, err error) {
	p = &pen{options: o, log: log, slots: backend.NewSlots(), signals: make(chan os.Signal, 8)}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	signal.Notify(p.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1)
	signal.Ignore(syscall.SIGPIPE)
	for _, notice := range o.Notices {
		log.Warn(notice)
	}
	if err := o.Resolve(context.Background()); err != nil {
		return p, err
	}
	cfg, err := p.loops()
	if err != nil {
		return p, err
	}
	if p.table, err = affinity.New(o.Clients, o.Tracking); err != nil {
		return p, err
	}
	p.own(p.table.Close)
	plan, err := p.plan()
	if err != nil {
		return p, err
	}
	p.balance = balance.New(p.slots, p.table, plan)
	if p.group, err = loop.Open(cfg, p.balance); err != nil {
		return p, err
	}
	p.own(func() error { p.group.Stop(); p.group.Wait(); return nil })
	if err := p.watch(plan); err != nil {
		return p, err
	}
	return p, p.settle()
}

// settle takes the place in the system the operator gave us: jail, user, pid file, in Pen's order.
func (p *pen) settle() error {
	var user *process.User
	if p.options.User != "" {
		var err error
		if user, err = process.LookupUser(p.options.User); err != nil {
			return err
		}
	}
	if err := process.Drop(user, p.options.Chroot); err != nil {
		return err
	}
	if p.options.PidFile == "" {
		return nil
	}
	pid, err := process.WritePidFile(p.options.PidFile)
	if err != nil {
		return err
	}
	p.own(pid.Remove)
	return nil
}

// serve runs until it is told to stop and the last connection has ended.
func (p *pen) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p.group.Start()
	probing := make(chan struct{})
	go func() { p.prober.Run(ctx); close(probing) }()
	ended := make(chan struct{})
	go func() { p.group.Wait(); close(ended) }()
	p.log.Info("listening", "address", p.options.Listen.Text, "servers", len(p.options.Servers))

	second := time.NewTicker(time.Second)
	defer second.Stop()
	var patience <-chan time.Time // runs out when draining has taken long enough
	for {
		select {
		case sig := <-p.signals:
			switch {
			case sig == syscall.SIGUSR1:
				p.report()
			case patience == nil:
				p.log.Info("draining", "signal", sig, "connections", p.group.Live(), "for", p.options.Drain)
				patience = time.After(p.options.Drain)
				p.group.Drain()
			default:
				p.group.Stop()
			}
		case <-patience:
			p.group.Stop()
		case <-second.C:
			p.table.Expire(p.group.Now(), expiryBudget)
		case <-ended:
			cancel()
			<-probing
			p.log.Info("stopped")
			return
		}
	}
}

// expiryBudget is how many clients whose tracking time is over are forgotten per second; they count for nothing before that.
const expiryBudget = 100_000

// report writes the statistics to the log (USR1).
func (p *pen) report() {
	p.group.Settle()
	for i, s := range p.balance.Plan().Servers {
		slot := p.slots.Get(s.ID)
		p.log.Info("server", "index", i, "name", s.Name, "address", s.Addr, "connections", slot.Live(), "connects", slot.Connects(), "failures", slot.Failures(),
			"sent", slot.Up(), "received", slot.Down(), "usable", slot.Health(p.group.Now()).Usable())
	}
	open, idle, refused, size := p.group.Pipes()
	p.log.Info("pipes", "open", open, "idle", idle, "refused", refused, "size", size)
	p.log.Info("clients", "known", p.table.Len(), "slots", p.table.Cap(), "evicted", p.table.Evictions())
	p.log.Info("totals", p.group.Totals().Attrs()...)
}

func (p *pen) own(undo func() error) { p.owned = append(p.owned, undo) }

// close puts away what build opened, last first.
func (p *pen) close() {
	for i := len(p.owned) - 1; i >= 0; i-- {
		if err := p.owned[i](); err != nil {
			p.log.Warn("close", "error", err)
		}
	}
	signal.Stop(p.signals)
}

// loops says how the loops are to work, and prints the plan.
func (p *pen) loops() (loop.Config, error) {
	o := p.options
	nofile, err := process.RaiseNofile()
	if err != nil {
		return loop.Config{}, err
	}
	allowed, err := sys.CPUs()
	if err != nil {
		return loop.Config{}, err
	}
	n := o.Loops
	if n == 0 {
		n = len(allowed)
	}
	budget, err := o.Budget(nofile, n)
	if err != nil {
		return loop.Config{}, err
	}
	var pinned []int
	if o.CPUs != "" {
		if pinned, err = config.ParseCPUs(o.CPUs, allowed); err != nil {
			return loop.Config{}, err
		}
	}
	mode, err := splice.ParseMode(o.Splice)
	if err != nil {
		return loop.Config{}, err
	}
	steer, err := loop.ParseSteer(o.Steer)
	if err != nil {
		return loop.Config{}, err
	}
	if budget.Notice != "" {
		p.log.Warn(budget.Notice)
	}
	p.log.Info(budget.String())
	at := loop.Endpoint{Path: o.Listen.Path, DualStack: o.Listen.DualStack}
	if at.Path == "" {
		at.IP = o.Listen.Addrs[0]
	}
	return loop.Config{
		Endpoint: at, Backlog: o.Backlog, AcceptBatch: o.AcceptBatch, MaxConns: budget.MaxConns,
		Loops: n, CPUs: pinned, Steer: steer, Poller: o.Poller,
		Tuning:         sys.Tuning{NoDelay: !o.Nagle, Keepalive: o.Keepalive, UserTimeout: o.UserTimeout},
		ConnectTimeout: o.ConnectTimeout, IdleTimeout: o.IdleTimeout,
		Splice: mode, PipeSize: o.PipeSize, Pipes: budget.Pipes, Log: p.log,
	}, nil
}

// plan makes the operator's servers and rules into what Choose goes by.
func (p *pen) plan() (*balance.Plan, error) {
	o := p.options
	plan := &balance.Plan{
		RoundRobin: o.RoundRobin, Prio: o.Prio, Weight: o.Weight, LeastConn: o.LeastConn, Hash: o.Hash, PenHash: o.PenHash, Stubborn: o.Stubborn,
		BlacklistTime: o.Blacklist, Prefix: affinity.Prefix(o.Prefix),
	}
	seen := map[string]int{}
	claim := func(s config.Server) (balance.Server, error) {
		identity := s.String()
		if seen[identity]++; seen[identity] > 1 { // the same server given twice is two servers, as in Pen
			identity = fmt.Sprintf("%s#%d", identity, seen[identity])
		}
		id, err := p.slots.Claim(identity)
		return balance.Server{ID: id, Name: identity, Addr: balance.Address{IP: s.Addr, Path: s.Path}, Soft: s.Soft, Hard: s.Hard, Weight: s.Weight, Prio: s.Prio}, err
	}
	for _, s := range o.Servers {
		server, err := claim(s)
		if err != nil {
			return nil, err
		}
		plan.Servers = append(plan.Servers, server)
	}
	if o.Emergency != nil {
		server, err := claim(*o.Emergency)
		if err != nil {
			return nil, err
		}
		plan.Emergency = &server
	}
	return plan, plan.Validate()
}

// watch makes the prober and gives it the servers.
func (p *pen) watch(plan *balance.Plan) error {
	o := p.options
	check, err := probe.ParseCheck(o.Check)
	if err != nil {
		return err
	}
	p.prober = probe.New(probe.Config{Check: check, Interval: o.CheckInterval, Timeout: o.CheckTimeout, Rise: o.Rise, Fall: o.Fall, Log: p.log}, p.slots)
	var targets []probe.Target
	for _, s := range append(plan.Servers[:len(plan.Servers):len(plan.Servers)], emergencies(plan)...) {
		t := probe.Target{ID: s.ID, Name: s.Name, Network: "tcp", Address: s.Addr.String()}
		if s.Addr.Path != "" {
			t.Network = "unix"
		}
		targets = append(targets, t)
	}
	p.prober.Watch(targets)
	return nil
}

func emergencies(plan *balance.Plan) []balance.Server {
	if plan.Emergency == nil {
		return nil
	}
	return []balance.Server{*plan.Emergency}
}
