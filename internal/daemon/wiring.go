package daemon

import (
	"fmt"
	"net"
	"strconv"

	"pen/affinity"
	"pen/internal/balance"
	"pen/internal/config"
	"pen/internal/process"
	"pen/internal/sys"
	"pen/loop"
	"pen/probe"
	"pen/splice"
)

// loops says how the loops are to work.
func (d *Daemon) loops() (loop.Config, error) {
	o := d.options
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
		d.options.Notices = append(d.options.Notices, budget.Notice)
	}
	d.budget = budget
	at := loop.Endpoint{Path: o.Listen.Path, DualStack: o.Listen.DualStack}
	if at.Path == "" {
		at.IP = o.Listen.Addrs[0]
	}
	return loop.Config{
		Endpoint: at, Backlog: o.Backlog, AcceptBatch: o.AcceptBatch, MaxConns: budget.MaxConns,
		Loops: n, CPUs: pinned, Steer: steer, Poller: o.Poller,
		Tuning: sys.Tuning{NoDelay: !o.Nagle, Keepalive: o.Keepalive, UserTimeout: o.UserTimeout},
		Splice: mode, PipeSize: o.PipeSize, Pipes: budget.Pipes, Log: d.log,
	}, nil
}

// plan makes the operator's servers and rules into what Choose goes by.
func (d *Daemon) plan() (*balance.Plan, error) {
	o := d.options
	plan := &balance.Plan{
		RoundRobin: o.RoundRobin, Prio: o.Prio, Weight: o.Weight, LeastConn: o.LeastConn, Hash: o.Hash, PenHash: o.PenHash, Stubborn: o.Stubborn,
		BlacklistTime: o.Blacklist, Prefix: affinity.Prefix(o.Prefix),
		ConnectTimeout: o.ConnectTimeout, IdleTimeout: o.IdleTimeout,
	}
	seen := map[string]int{}
	claim := func(s config.Server) (balance.Server, error) {
		identity := s.Path // who a server is: where it is reached, not what it is to carry
		if identity == "" {
			identity = net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
		}
		if seen[identity]++; seen[identity] > 1 { // the same server given twice is two servers, as in Pen
			identity = fmt.Sprintf("%s#%d", identity, seen[identity])
		}
		id, err := d.slots.Claim(identity)
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
func (d *Daemon) watch(plan *balance.Plan) error {
	o := d.options
	check, err := probe.ParseCheck(o.Check)
	if err != nil {
		return err
	}
	d.prober = probe.New(probe.Config{Check: check, Interval: o.CheckInterval, Timeout: o.CheckTimeout, Rise: o.Rise, Fall: o.Fall, Log: d.log}, d.slots)
	var targets []probe.Target
	for _, s := range append(plan.Servers[:len(plan.Servers):len(plan.Servers)], emergencies(plan)...) {
		t := probe.Target{ID: s.ID, Name: s.Name, Network: "tcp", Address: s.Addr.String()}
		if s.Addr.Path != "" {
			t.Network = "unix"
		}
		targets = append(targets, t)
	}
	d.prober.Watch(targets)
	return nil
}

func emergencies(plan *balance.Plan) []balance.Server {
	if plan.Emergency == nil {
		return nil
	}
	return []balance.Server{*plan.Emergency}
}
