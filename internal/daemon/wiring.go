package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"pen/affinity"
	"pen/internal/backend"
	"pen/internal/balance"
	"pen/internal/config"
	"pen/internal/control"
	"pen/internal/forwarded"
	"pen/internal/process"
	"pen/internal/sys"
	"pen/loop"
	"pen/probe"
	"pen/splice"
)

// loops says how the loops are to work, but for what the language may still change.
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
	if d.budget, err = o.Budget(nofile, n); err != nil {
		return loop.Config{}, err
	}
	if d.budget.Notice != "" {
		o.Notices = append(o.Notices, d.budget.Notice)
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
	everywhere, loopback, err := o.CongestionControls()
	if err != nil {
		return loop.Config{}, err
	}
	return loop.Config{
		Congestion: everywhere, LoopbackCongestion: loopback, Shortcuts: o.Shortcuts == "on", SendBatch: o.SendBatch == "on", ReuseSockets: o.ReuseSockets == "on",
		Backlog: o.Backlog, AcceptBatch: o.AcceptBatch, Loops: n, CPUs: pinned, Steer: steer, Poller: o.Poller,
		TarpitTime: o.TarpitTime, TarpitMost: o.TarpitMax,
		Splice: mode, PipeSize: o.PipeSize, Pipes: d.budget.Pipes, Log: d.log,
		NewFilter: func(client netip.Addr) loop.Filter { return forwarded.New(client, "http") },
	}, nil
}

// state is what the flags say, in the language's terms.
func (d *Daemon) state() (*control.State, error) {
	o := d.options
	onNoServer, err := balance.ParseOnNoServer(o.OnNoServer)
	if err != nil {
		return nil, err
	}
	s := &control.State{
		Tracking: o.Tracking, ClientsMax: o.Clients, PendingMax: o.AcceptBatch, Debug: o.Debug, Listen: o.Listen.Text, Log: o.AccessLog, WebStats: o.WebStats, Ascii: o.Ascii,
		Plan: balance.Plan{
			RoundRobin: o.RoundRobin, Prio: o.Prio, Weight: o.Weight, LeastConn: o.LeastConn, Hash: o.Hash, PenHash: o.PenHash, Stubborn: o.Stubborn,
			BlacklistTime: o.Blacklist, Prefix: affinity.Prefix(o.Prefix), MaxConns: d.budget.MaxConns, ConnectTimeout: o.ConnectTimeout, IdleTimeout: o.IdleTimeout,
			FirstByteTimeout: o.FirstByteTimeout, HalfClosedTimeout: o.HalfClosedTimeout, StallTimeout: o.StallTimeout, Lifetime: o.Lifetime,
			AcceptRate: o.AcceptRate.PerSecond, AcceptBurst: o.AcceptRate.Burst,
			NoDelay: !o.Nagle, Keepalive: o.Keepalive, UserTimeout: o.UserTimeout, Forwarded: o.Forwarded,
			Queue: o.Queue, QueueTimeout: o.QueueTimeout, OnNoServer: onNoServer,
			Limits: affinity.Limits{Conns: o.ClientConns}, OverLimit: balance.Answer(slices.Index(balance.Answers[:], o.ClientLimit)),
			Exempting: o.ClientExempt >= 0, ExemptACL: max(o.ClientExempt, 0),
		},
	}
	if err := s.Plan.Limits.Rate.Set(o.ClientRate); err != nil {
		return nil, config.Misjudged("client-rate", err)
	}
	if d.geo != nil { // not a nil *GeoIP in an interface
		s.Plan.Countries = d.geo
	}
	seen := map[string]bool{}
	for _, v := range o.Servers {
		server, err := d.server(v, seen)
		if err != nil {
			return nil, err
		}
		s.Plan.Servers = append(s.Plan.Servers, *server)
	}
	if o.Emergency != nil {
		if s.Plan.Emergency, err = d.server(*o.Emergency, map[string]bool{}); err != nil {
			return nil, err
		}
	}
	if o.Abuse != nil {
		s.Plan.Abuse, err = d.server(*o.Abuse, map[string]bool{})
	}
	return s, err
}

// server claims a slot for a server of the command line. It is who it is by where it is reached, not by what it is to carry; the same one given twice is two servers, as in Pen.
func (d *Daemon) server(v config.Server, seen map[string]bool) (*balance.Server, error) {
	base := v.Path
	if base == "" {
		base = net.JoinHostPort(v.Host, strconv.Itoa(v.Port))
	}
	name := base
	for n := 2; seen[name]; n++ {
		name = base + "#" + strconv.Itoa(n)
	}
	seen[name] = true
	id, err := d.slots.Claim(name)
	return &balance.Server{ID: id, Name: name, Addr: balance.Address{IP: v.Addr, Path: v.Path}, Soft: v.Soft, Hard: v.Hard, Weight: v.Weight, Prio: v.Prio}, err
}

// wantsServers refuses to start for nobody.
func wantsServers(s *control.State) error {
	p := s.Published()
	for i := range p.Servers {
		if p.Servers[i].ID != backend.None {
			return nil
		}
	}
	if p.Emergency != nil || p.Dummy {
		return nil
	}
	return errors.New("no servers: give at least one after the listening address, or in the file of -F")
}

// endpoint is where to listen, from the words of the command line or the language.
func endpoint(text string) (loop.Endpoint, error) {
	o := new(config.Options)
	var err error
	if o.Listen, err = config.ParseListen(text); err != nil {
		return loop.Endpoint{}, err
	}
	if err := o.Resolve(context.Background()); err != nil {
		return loop.Endpoint{}, err
	}
	at := loop.Endpoint{Path: o.Listen.Path, DualStack: o.Listen.DualStack}
	if at.Path == "" {
		at.IP = o.Listen.Addrs[0]
	}
	return at, nil
}

// inherit finds the listeners at an endpoint that the service manager passes on; none if it passes nothing. One that is elsewhere is an error: the operator has said two things, and its clients would wait for ever.
func inherit(at loop.Endpoint) (here []*sys.FD, err error) {
	passed, err := process.Inherit()
	if err != nil {
		return nil, err
	}
	var elsewhere []string
	for _, one := range passed {
		here = append(here, one.FD)
		if !at.IsAt(one.At, one.Path) {
			elsewhere = append(elsewhere, one.String())
		}
	}
	if elsewhere == nil {
		return here, nil
	}
	for _, fd := range here {
		fd.Close()
	}
	return nil, fmt.Errorf("listen %s: the service manager passes a listener at %s: let the socket unit and the listening address say the same", at, strings.Join(elsewhere, " and "))
}

// makeProber makes the prober and gives it the servers.
func (d *Daemon) makeProber(plan *balance.Plan) error {
	o := d.options
	check, err := probe.ParseCheck(o.Check)
	if err != nil {
		return err
	}
	d.prober = probe.New(probe.Config{Check: check, Interval: o.CheckInterval, Timeout: o.CheckTimeout, Rise: o.Rise, Fall: o.Fall, Log: d.log}, d.slots)
	d.prober.Watch(targets(plan))
	return nil
}

// targets is whom to check: everyone who may be sent a client, except the abuse server, whose health is nobody's concern.
func targets(plan *balance.Plan) []probe.Target {
	servers := plan.Servers[:len(plan.Servers):len(plan.Servers)]
	if plan.Emergency != nil {
		servers = append(servers, *plan.Emergency)
	}
	var list []probe.Target
	for _, s := range servers {
		if s.ID == backend.None {
			continue
		}
		t := probe.Target{ID: s.ID, Name: s.Name, Network: "tcp", Address: s.Addr.String()}
		if s.Addr.Path != "" {
			t.Network = "unix"
		}
		list = append(list, t)
	}
	return list
}
