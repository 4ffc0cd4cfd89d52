package daemon

import (
	"fmt"
	"strconv"
	"time"

	"pen/internal/balance"
	"pen/internal/config"
	"pen/internal/web"
)

// Figures implements web.World.
func (o outlook) Figures() web.Figures {
	d := o.d
	plan, now, read := d.balance.Plan(), d.Now(), d.group.Read()
	f := web.Figures{
		Time: time.Unix(0, now).UTC(), Started: o.began, Version: o.version, Listen: d.language.State().Listen, Draining: d.watch.ending.Load(),
		Totals: web.NewTotals(read.Totals, plan.MaxConns), TimeBounds: web.Bounds, LogDropped: d.linesLost(),
		Clients: web.Table{Known: d.table.Len(), Slots: d.table.Cap(), Evicted: d.table.Evictions(), Bytes: uint64(d.table.Bytes())},
		Loops:   web.Loops{Count: d.budget.Loops, CPUs: append([]int{}, o.cpus...), Poller: d.options.Poller, PipesMost: d.budget.Pipes},
	}
	f.Servers, f.Others = o.servers(plan, now, read.Servers)
	for i := range read.Loops {
		var cpu *int
		if o.cpus != nil {
			cpu = &o.cpus[i]
		}
		f.Loops.Each = append(f.Loops.Each, web.NewLoop(i, cpu, &read.Loops[i]))
	}
	f.Ready = d.ready(plan, now)
	f.Listening.Waiting, f.Listening.Most = d.group.Backlog()
	f.Listening.Overflows, f.Listening.Drops = d.netstat.overflows()
	f.Loops.PipesOpen, f.Loops.PipesIdle, f.Loops.Refused, f.Loops.PipeSize = d.group.Pipes()
	return f
}

// Settings implements web.World. They are named as the flags, and are what the control language has made of them since.
func (o outlook) Settings() []web.Group {
	d, opt := o.d, o.d.options
	s := d.language.State()
	p := &s.Plan
	return []web.Group{
		{Title: "Which server a client gets", Settings: []web.Setting{
			{Name: "algorithm", Value: algorithm(p)},
			{Name: "blacklist", Value: seconds(p.BlacklistTime)}, {Name: "clients", Value: strconv.Itoa(s.ClientsMax)}, {Name: "tracking", Value: orNever(s.Tracking)},
			{Name: "track-prefix", Value: fmt.Sprintf("%d/%d", p.Prefix.V4, p.Prefix.V6)}, {Name: "client_acl", Value: strconv.Itoa(p.ClientACL)},
		}},
		{Title: "Connections", Settings: []web.Setting{
			{Name: "listen", Value: s.Listen}, {Name: "max-conns", Value: strconv.Itoa(p.MaxConns)}, {Name: "timeout", Value: seconds(p.ConnectTimeout)},
			{Name: "first-byte-timeout", Value: orNever(p.FirstByteTimeout)}, {Name: "idle-timeout", Value: orNever(p.IdleTimeout)},
			{Name: "half-closed-timeout", Value: orNever(p.HalfClosedTimeout)}, {Name: "stall-timeout", Value: orNever(p.StallTimeout)}, {Name: "lifetime", Value: orNever(p.Lifetime)},
			{Name: "accept-rate", Value: acceptRate(p)}, {Name: "keepalive", Value: orOff(p.Keepalive)}, {Name: "user-timeout", Value: orOff(p.UserTimeout)},
			{Name: "nagle", Value: onOff(!p.NoDelay)}, {Name: "congestion", Value: opt.Congestion}, {Name: "forwarded", Value: onOff(p.Forwarded)},
			{Name: "transparent", Value: onOff(p.Transparent)}, {Name: "idlers", Value: strconv.Itoa(p.Idlers)},
			{Name: "queue", Value: strconv.Itoa(p.Queue)}, {Name: "queue-timeout", Value: seconds(p.QueueTimeout)}, {Name: "on-no-server", Value: p.OnNoServer.String()}, {Name: "dummy", Value: onOff(p.Dummy)},
		}},
		{Title: "What one client may have", Settings: []web.Setting{
			{Name: "client-conns", Value: orAny(p.Limits.Conns)}, {Name: "client-rate", Value: p.Limits.Rate.String()}, {Name: "client-limit", Value: p.OverLimit.String()},
			{Name: "client-exempt", Value: exempt(p)}, {Name: "tarpit-time", Value: seconds(opt.TarpitTime)}, {Name: "tarpit-max", Value: tarpitMax(opt, p)},
		}},
		{Title: "Loops and bytes", Settings: []web.Setting{
			{Name: "loops", Value: strconv.Itoa(d.budget.Loops)}, {Name: "cpus", Value: orNone(opt.CPUs)}, {Name: "steer", Value: opt.Steer}, {Name: "poller", Value: opt.Poller},
			{Name: "send-batch", Value: opt.SendBatch}, {Name: "shortcuts", Value: opt.Shortcuts}, {Name: "reuse-sockets", Value: opt.ReuseSockets}, {Name: "splice", Value: opt.Splice}, {Name: "pipe-size", Value: strconv.Itoa(opt.PipeSize)}, {Name: "pipes", Value: strconv.Itoa(d.budget.Pipes)},
		}},
		{Title: "Health checks", Settings: []web.Setting{
			{Name: "check", Value: opt.Check}, {Name: "check-interval", Value: seconds(opt.CheckInterval)}, {Name: "check-timeout", Value: seconds(opt.CheckTimeout)},
			{Name: "rise", Value: strconv.Itoa(opt.Rise)}, {Name: "fall", Value: strconv.Itoa(opt.Fall)},
		}},
		{Title: "Control, logs, process", Settings: []web.Setting{
			{Name: "control", Value: orNone(opt.Control)}, {Name: "config", Value: orNone(opt.ConfigFile)}, {Name: "web", Value: opt.Web}, {Name: "log", Value: orNone(s.Log)},
			{Name: "web-stats", Value: orNone(s.WebStats)}, {Name: "debug", Value: strconv.Itoa(s.Debug)}, {Name: "user", Value: orNone(opt.User)}, {Name: "drain", Value: seconds(opt.Drain)},
		}},
	}
}

func acceptRate(p *balance.Plan) string {
	if p.AcceptRate == 0 {
		return "any"
	}
	return fmt.Sprintf("%d/s, %d at once", p.AcceptRate, p.AcceptBurst)
}

func orAny(n int) string {
	if n == 0 {
		return "any"
	}
	return strconv.Itoa(n)
}

func exempt(p *balance.Plan) string {
	if !p.Exempting {
		return "none"
	}
	return "list " + strconv.Itoa(p.ExemptACL)
}

func tarpitMax(o *config.Options, p *balance.Plan) string {
	if o.TarpitMax == 0 {
		return strconv.Itoa(p.MaxConns/10) + ", a tenth"
	}
	return strconv.Itoa(o.TarpitMax)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}

func orNever(d time.Duration) string { return orZero(d, "never") }

func orOff(d time.Duration) string { return orZero(d, "off") }

// orZero is a time, of which 0 has a word of its own.
func orZero(d time.Duration, zero string) string {
	if d == 0 {
		return zero
	}
	return seconds(d)
}
