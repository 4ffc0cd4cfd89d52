package daemon

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"pen/internal/accesslog"
	"pen/internal/backend"
	"pen/internal/balance"
	"pen/internal/control"
	"pen/internal/process"
	"pen/internal/sys"
)

// The Daemon is the world of the control language (control.World). Commands of -O and -F, which `write` fills with words that also ask, come before there are loops and a table.

// resolveTimeout bounds a name look-up that a command asks for.
const resolveTimeout = 10 * time.Second

// Claim returns the slot of a server identity.
func (d *Daemon) Claim(identity string) (backend.ID, error) { return d.slots.Claim(identity) }

// Suppose returns what answers as Claim would and claims nothing.
func (d *Daemon) Suppose() func(identity string) (backend.ID, error) { return d.slots.Suppose() }

// Slot returns the slot of a claimed id.
func (d *Daemon) Slot(id backend.ID) *backend.Slot { return d.slots.Get(id) }

// Now is the loops' time; before there are loops, the wall clock's.
func (d *Daemon) Now() int64 {
	if d.group == nil {
		return time.Now().UnixNano()
	}
	return d.group.Now()
}

// Resolve looks a name up, the first address in the resolver's order.
func (d *Daemon) Resolve(host string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	return addrs[0].Unmap(), nil
}

// Apply makes a new state real: first what may be refused, which then has changed nothing, then what cannot be.
func (d *Daemon) Apply(current, updated *control.State) (err error) {
	access := d.access.Load()
	if updated.Log != current.Log {
		access = nil
		if updated.Log != "" {
			if access, err = d.openLog(updated.Log); err != nil {
				return err
			}
			defer func() {
				if err != nil {
					access.Close()
				}
			}()
		}
	}
	if updated.ClientsMax > d.table.Cap() {
		if err := d.table.Grow(updated.ClientsMax); err != nil {
			return err
		}
	}
	if updated.Listen != current.Listen {
		to, err := endpoint(updated.Listen)
		if err != nil {
			return err
		}
		if err := d.group.Move(to); err != nil {
			return err
		}
	}
	if updated.Log != current.Log {
		d.switchLog(access)
	}
	d.level.Set(process.Level(updated.Debug))
	if updated.Debug != current.Debug || updated.Ascii != current.Ascii {
		d.tap(updated)
	}
	d.table.SetTTL(updated.Tracking)
	plan := d.plan(updated)
	d.balance.Publish(plan)
	d.group.SetMax(plan.MaxConns)
	d.group.Tune(tuning(plan))
	d.group.Refresh()
	d.prober.Watch(targets(plan))
	return nil
}

// switchLog has the loops write to another log, and closes the one they wrote to.
func (d *Daemon) switchLog(to *accesslog.Log) {
	old, counted := d.replaceLog(to)
	d.logTo(to)
	if old != nil {
		old.Close()
		d.loseLines(old.Dropped() - counted)
	}
}

func (d *Daemon) closeAccess() error {
	if access := d.access.Swap(nil); access != nil {
		return access.Close()
	}
	return nil
}

// Settle makes the byte counts of running connections exact.
func (d *Daemon) Settle() {
	if d.group != nil {
		d.group.Settle()
	}
}

// Connections yields the open connections by their numbers.
func (d *Daemon) Connections(yield func(control.Connection) bool) {
	if d.group == nil {
		return
	}
	clients, servers := d.clientNumbers(), d.serverNumbers()
	for _, v := range d.group.Connections() {
		c := control.Connection{
			Number: v.Number, State: 2, DownFD: v.Down, UpFD: v.Up, Client: number(clients, d.balance.Plan().Prefix.Key(v.Client.Addr()), noClient),
			Server: balance.NoNumber, Pending: v.PendingDown + v.PendingUp,
		}
		if v.Connecting {
			c.State = 1
		}
		if v.Server != nil {
			c.Server = number(servers, v.Server.ID, balance.NoNumber)
		}
		if !yield(c) {
			return
		}
	}
}

// CloseConnection closes a connection at once and reports whether there was one.
func (d *Daemon) CloseConnection(n int) bool { return d.group != nil && d.group.Kill(n) }

// Clients yields the client table.
func (d *Daemon) Clients(yield func(control.Client) bool) {
	if d.table == nil {
		return
	}
	now := d.Now()
	for e := range d.table.Each {
		if !yield(control.Client{Addr: e.Key.Addr(), Connects: e.Connects, Sent: e.Down, Received: e.Up, Age: time.Duration(now - e.LastSeen)}) {
			return
		}
	}
}

// Explain says where a client would go now and why. It changes nothing, and may be asked by any goroutine that is not a loop's.
func (d *Daemon) Explain(c balance.Client) (*balance.Explanation, error) {
	if d.group == nil {
		return nil, errNotServing
	}
	return d.balance.Explain(c, d.Now())
}

// Simulate says who would move if what is supposed came true. It changes nothing, and may be asked by any goroutine that is not a loop's.
func (d *Daemon) Simulate(then balance.Supposition) (*balance.Simulation, error) {
	if d.group == nil {
		return nil, errNotServing
	}
	var open []balance.Open
	for _, v := range d.group.Connections() {
		if v.Server != nil && !v.Idler {
			open = append(open, balance.Open{Client: balance.Client{Addr: v.Client}, Server: v.Server})
		}
	}
	return d.balance.Simulate(d.Now(), open, then)
}

// errNotServing is the error of what needs loops and a table before there are any.
var errNotServing = errors.New("nothing is served yet")

// IdlersOpen is how many connections to servers stand open with no client.
func (d *Daemon) IdlersOpen() int {
	if d.group == nil {
		return 0
	}
	return d.group.Idlers()
}

// StatusPage returns the HTML page, after it has written it to the state's file.
func (d *Daemon) StatusPage() ([]byte, error) {
	if d.group == nil {
		return nil, errNotServing
	}
	page := d.page()
	if file := d.language.State().WebStats; file != "" {
		if err := page.WriteFile(file); err != nil {
			return nil, err
		}
	}
	return render(page)
}

// Exit starts a clean exit and returns.
func (d *Daemon) Exit() {
	select {
	case d.leave <- struct{}{}:
	default: // said before
	}
}

// ControlAddress is the control port's address as it was given.
func (d *Daemon) ControlAddress() string { return d.options.Control }

// CommandLine is the command that would start this process again.
func (d *Daemon) CommandLine() string { return d.options.CommandLine() }

// plan is what is published for a state.
func (d *Daemon) plan(s *control.State) *balance.Plan {
	p := s.Published()
	for i := range p.Servers {
		p.Servers[i] = named(p.Servers[i])
	}
	for _, special := range []**balance.Server{&p.Emergency, &p.Abuse} {
		if *special != nil {
			v := named(**special) // the state shares it
			*special = &v
		}
	}
	return p
}

// named is the server with the name that the access log has for it: its address without the port.
func named(v balance.Server) balance.Server {
	v.Host = v.Addr.Path
	if v.Host == "" {
		v.Host = v.Addr.IP.Addr().String()
	}
	return v
}

// tuning is what a plan says of sockets.
func tuning(p *balance.Plan) sys.Tuning {
	return sys.Tuning{NoDelay: p.NoDelay, Keepalive: p.Keepalive, UserTimeout: p.UserTimeout}
}

var _ control.World = (*Daemon)(nil)
