package daemon

import (
	"cmp"
	"net/netip"
	"time"

	"pen/affinity"
	"pen/internal/account"
	"pen/internal/backend"
	"pen/internal/balance"
	"pen/internal/config"
	"pen/internal/control"
	"pen/internal/sys"
	"pen/internal/web"
)

// outlook is what the page sees of the daemon (web.World). Immutable.
type outlook struct {
	d       *Daemon
	began   time.Time
	cpus    []int // that the loops are pinned to, one for each; nil: not pinned
	version string
}

// openWeb opens the page of --web, and reads its token, while that is still allowed.
func (d *Daemon) openWeb() (err error) {
	if d.options.Web == "" {
		return nil
	}
	o := outlook{d: d, began: time.Unix(0, d.Now()).UTC(), version: config.Version()}
	if d.options.CPUs != "" {
		allowed, err := sys.CPUs()
		if err != nil {
			return err
		}
		pinned, err := config.ParseCPUs(d.options.CPUs, allowed)
		if err != nil {
			return err
		}
		for i := range d.budget.Loops {
			o.cpus = append(o.cpus, pinned[i%len(pinned)])
		}
	}
	cfg := web.Config{Address: d.options.Web, Conns: d.budget.WebConns, Log: d.log}
	if d.options.WebToken != "" {
		if cfg.Token, err = web.ReadToken(d.options.WebToken); err != nil {
			return err
		}
	}
	if d.web, err = web.Open(cfg, o); err != nil {
		return err
	}
	d.own(func() error { d.web.Close(); return nil })
	d.log.Info("web page", "address", d.web.Addr().String(), "actions", cfg.Token != "")
	return nil
}

// unixClient is what the clients on a Unix socket are called.
const unixClient = "unix"

func addressText(addr netip.Addr) string {
	if !addr.IsValid() {
		return unixClient
	}
	return addr.String()
}

// Client implements web.World.
func (o outlook) Client(addr netip.Addr) (web.Client, bool) {
	e, ok := o.d.table.Peek(o.d.balance.Plan().Prefix.Key(addr), o.d.Now())
	if !ok {
		return web.Client{}, false
	}
	return client(&e, o.d.serverNumbers()), true
}

// Clients implements web.World.
func (o outlook) Clients(yield func(web.Client) bool) {
	servers := o.d.serverNumbers()
	for e := range o.d.table.Each {
		if !yield(client(&e, servers)) {
			return
		}
	}
}

func client(e *affinity.Entry, servers map[backend.ID]int) web.Client {
	return web.Client{
		Address: addressText(e.Key.Addr()), Server: number(servers, backend.ID(e.Home), balance.NoNumber), LastSeen: time.Unix(0, e.LastSeen).UTC(),
		Connects: e.Connects, BytesUp: e.Up, BytesDown: e.Down,
	}
}

// Connections implements web.World.
func (o outlook) Connections() []web.Connection {
	servers := o.d.serverNumbers()
	var all []web.Connection
	for _, v := range o.d.group.Connections() {
		c := web.Connection{Number: v.Number, Server: balance.NoNumber, Connecting: v.Connecting, PendingUp: v.PendingUp, PendingDown: v.PendingDown}
		if !v.Idler {
			c.Client = unixClient
			if v.Client.IsValid() {
				c.Client = v.Client.String()
			}
		}
		if v.Server != nil {
			c.Server = number(servers, v.Server.ID, balance.NoNumber)
		}
		all = append(all, c)
	}
	return all
}

// Closes implements web.World.
func (o outlook) Closes() []account.Trail { return o.d.group.Closes() }

// Explain implements web.World.
func (o outlook) Explain(addr netip.Addr) ([]web.Step, error) {
	x, err := o.d.Explain(balance.Client{Addr: netip.AddrPortFrom(addr, 0)})
	if err != nil {
		return nil, err
	}
	steps := []web.Step{}
	for _, v := range x.Steps {
		steps = append(steps, web.Step{Topic: string(v.Topic), Text: v.Text})
	}
	return steps, nil
}

// Simulate implements web.World.
func (o outlook) Simulate(command string) (*balance.Simulation, error) {
	return o.d.language.Simulate(command)
}

// Do implements web.World. What comes over HTTP is trusted with files no more than what comes over the network.
func (o outlook) Do(command string) (string, error) { return o.d.language.Do(command, control.Network) }

// servers are all servers of the plan that have one, by number, and then the two special ones unless they are among them; and then what the ledgers say about anybody else.
func (o outlook) servers(plan *balance.Plan, now int64, ledgers []account.ServerTotals) (list []web.Server, others []web.Other) {
	list, others = []web.Server{}, []web.Other{}
	seen := map[backend.ID]bool{}
	add := func(n int, v *balance.Server) {
		if v == nil || v.ID == backend.None || seen[v.ID] {
			return
		}
		seen[v.ID] = true
		slot := o.d.slots.Get(v.ID)
		s := web.Server{
			Number: n, Name: cmp.Or(v.Name, v.Addr.String()), Address: v.Addr.String(), Connections: int(slot.Live()), Soft: v.Soft, Hard: v.Hard, Weight: v.Weight, Prio: v.Prio,
			Connects: slot.Connects(), Failures: slot.Failures(), BytesUp: slot.Up(), BytesDown: slot.Down(), Checks: o.checks(v.ID),
		}
		s.Judge(slot, now)
		var ledger account.ServerTotals // of a server that nobody has been sent to yet
		if int(v.ID) < len(ledgers) {
			ledger = ledgers[v.ID]
		}
		s.Tally = web.NewTally(&ledger)
		list = append(list, s)
	}
	for i := range plan.Servers {
		add(i, &plan.Servers[i])
	}
	add(balance.EmergencyNumber, plan.Emergency)
	add(balance.AbuseNumber, plan.Abuse)
	for i := range ledgers {
		id := backend.ID(i)
		if seen[id] || ledgers[i] == (account.ServerTotals{}) {
			continue
		}
		other := web.Other{Tally: web.NewTally(&ledgers[i])}
		if id != backend.None {
			other.Name = o.d.slots.Identity(id)
		}
		others = append(others, other)
	}
	return list, others
}

// checks is how a server's health checks have gone.
func (o outlook) checks(id backend.ID) web.Checks {
	t := o.d.prober.Tally(id)
	return web.Checks{Passed: t.Passed, Failed: t.Failed, Void: t.Void, Last: t.Last.Seconds()}
}
