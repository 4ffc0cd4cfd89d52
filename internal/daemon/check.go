package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"pen/internal/backend"
	"pen/internal/balance"
	"pen/internal/config"
	"pen/internal/control"
	"pen/internal/process"
	"pen/loop"
	"pen/probe"
)

// Check goes through a start as far as others cannot notice, and writes to w what the balancer would do. It opens no port, connects to nobody but the resolver, and becomes nobody else.
// The error is the one that the start would end with; what a start only warns of is logged, as it is there. A file of -F that cannot be read is an error here.
func Check(o *config.Options, log *slog.Logger, w io.Writer) error {
	d := &Daemon{options: o, trying: true, log: log, replies: io.Discard, level: new(slog.LevelVar), slots: backend.NewSlots()}
	defer d.Close()
	if o.ConfigFile != "" {
		file, err := os.Open(o.ConfigFile)
		if err != nil {
			return fmt.Errorf("read the config file: %w", err)
		}
		file.Close()
	}
	if err := o.Resolve(context.Background()); err != nil {
		return err
	}
	if _, err := d.loops(); err != nil {
		return err
	}
	if err := d.learn(); err != nil {
		return err
	}
	s := d.language.State()
	if err := wantsServers(&s); err != nil {
		return err
	}
	at, err := endpoint(s.Listen)
	if err != nil {
		return err
	}
	if _, err := probe.ParseCheck(o.Check); err != nil {
		return err
	}
	if err := (process.Place{User: o.User, Chroot: o.Chroot, PidFile: o.PidFile}).Check(); err != nil {
		return err
	}
	return d.writePlan(w, at, &s)
}

// writePlan writes the plan as a table: where clients come in, whom they are sent to and how, the limits, the start-up arithmetic.
func (d *Daemon) writePlan(w io.Writer, at loop.Endpoint, s *control.State) error {
	o, plan := d.options, d.plan(s)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	listen := at.String()
	if at.DualStack {
		listen += ", IPv4 as well"
	}
	fmt.Fprintf(t, "listen\t%s\n", listen)
	for i := range plan.Servers {
		if plan.Servers[i].ID != backend.None {
			fmt.Fprintf(t, "server %d\t%s\n", i, described(&plan.Servers[i]))
		}
	}
	if plan.Emergency != nil {
		fmt.Fprintf(t, "emergency\t%s\n", described(plan.Emergency))
	}
	if plan.Abuse != nil {
		fmt.Fprintf(t, "abuse\t%s\n", described(plan.Abuse))
	}
	fmt.Fprintf(t, "chosen by\t%s\n", algorithm(plan))
	fmt.Fprintf(t, "checked by\t%s every %v, at most %v each; down after %d, up after %d\n", o.Check, o.CheckInterval, o.CheckTimeout, o.Fall, o.Rise)
	fmt.Fprintf(t, "clients\t%d remembered, %s; left out after a failure for %v\n", s.ClientsMax, lasting("forgotten after", s.Tracking, "never forgotten"), plan.BlacklistTime)
	fmt.Fprintf(t, "connections\t%d at once, %v to connect, %s\n", plan.MaxConns, plan.ConnectTimeout, lasting("closed when idle for", plan.IdleTimeout, "never closed for being idle"))
	fmt.Fprintf(t, "accepted\t%s\n", acceptRate(plan))
	fmt.Fprintf(t, "slow peers\t%s; %s; %s; %s\n", lasting("first byte after", plan.FirstByteTimeout, "no limit for the first byte"), lasting("half closed for", plan.HalfClosedTimeout, "half closed without end"),
		lasting("stalled for", plan.StallTimeout, "stalled without end"), lasting("no older than", plan.Lifetime, "as old as it may become"))
	if plan.Queue > 0 {
		fmt.Fprintf(t, "queue\t%d may wait for a server that is full, %v each\n", plan.Queue, plan.QueueTimeout)
	}
	if plan.OnNoServer != balance.CloseOrderly {
		fmt.Fprintf(t, "no server\t%v\n", plan.OnNoServer)
	}
	if o.Control != "" {
		fmt.Fprintf(t, "control\t%s\n", o.Control)
	}
	if s.Log != "" {
		fmt.Fprintf(t, "log\t%s\n", s.Log)
	}
	for _, notice := range o.Notices {
		fmt.Fprintf(t, "notice\t%s\n", notice)
	}
	if err := d.mayLogTo(s.Log); err != nil { // the unit may well give the -f that is not given here
		fmt.Fprintf(t, "notice\t%v\n", err)
	}
	if plan.MaxConns != d.budget.MaxConns {
		fmt.Fprintf(t, "notice\tthe commands ask for %d connections, the arithmetic is for %d\n", plan.MaxConns, d.budget.MaxConns)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	_, err := fmt.Fprintln(w, d.budget)
	return err
}

// described is a server in a line. What has no limit and no weight is not mentioned.
func described(v *balance.Server) string {
	line := v.Name
	if addr := v.Addr.String(); addr != v.Name {
		line += " at " + addr
	}
	for _, f := range []struct {
		name  string
		value int
	}{{"soft", v.Soft}, {"hard", v.Hard}, {"weight", v.Weight}, {"prio", v.Prio}, {"acl", v.ACL}} {
		if f.value != 0 {
			line += fmt.Sprintf(", %s %d", f.name, f.value)
		}
	}
	return line
}

// algorithm names what decides, in balance.Plan's order.
func algorithm(p *balance.Plan) string {
	how := "turns"
	for _, a := range []struct {
		on   bool
		name string
	}{{p.Prio, "priority"}, {p.Weight, "weight"}, {p.LeastConn, "fewest connections"}, {p.PenHash, "Pen's hash of the client's address"}, {p.Hash, "a hash of the client's address"}} {
		if a.on {
			how = a.name
			break
		}
	}
	if p.RoundRobin {
		how += ", without the memory of clients"
	} else {
		how = "the client's home, else " + how
	}
	if p.Stubborn {
		how += "; no other if that one fails"
	}
	return how
}

// lasting says a time, or what its absence means.
func lasting(what string, d time.Duration, never string) string {
	if d == 0 {
		return never
	}
	return fmt.Sprintf("%s %v", what, d)
}
