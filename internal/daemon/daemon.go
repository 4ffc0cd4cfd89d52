// Package daemon is one balancer from its options to its end: it makes every room what the options ask for, joins them, and owns their lifetimes. It decides nothing about connections.
package daemon

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"pen/affinity"
	"pen/internal/backend"
	"pen/internal/balance"
	"pen/internal/config"
	"pen/internal/process"
	"pen/loop"
	"pen/probe"
)

// Daemon is a balancer that is ready to serve, and everything it owns.
type Daemon struct {
	options *config.Options
	log     *slog.Logger
	table   *affinity.Table
	slots   *backend.Slots
	balance *balance.Balancer
	group   *loop.Group
	prober  *probe.Prober
	budget  config.Budget // the start-up plan
	signals chan os.Signal
	owned   []func() error // what close undoes, in the order in which it was done
}

// Build opens everything that can refuse to be opened, and then gives up root. All or nothing.
func Build(o *config.Options, log *slog.Logger) (d *Daemon, err error) {
	d = &Daemon{options: o, log: log, slots: backend.NewSlots(), signals: make(chan os.Signal, 8)}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	signal.Notify(d.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1)
	signal.Ignore(syscall.SIGPIPE)
	if err := o.Resolve(context.Background()); err != nil {
		return d, err
	}
	cfg, err := d.loops()
	if err != nil {
		return d, err
	}
	if d.table, err = affinity.New(o.Clients, o.Tracking); err != nil {
		return d, err
	}
	d.own(d.table.Close)
	plan, err := d.plan()
	if err != nil {
		return d, err
	}
	d.balance = balance.New(d.slots, d.table, plan)
	if d.group, err = loop.Open(cfg, d.balance); err != nil {
		return d, err
	}
	d.own(func() error { d.group.Stop(); d.group.Wait(); return nil })
	if err := d.watch(plan); err != nil {
		return d, err
	}
	return d, d.settle()
}

// settle takes the place in the system the operator gave us: jail, user, pid file, in Pen's order.
func (d *Daemon) settle() error {
	var user *process.User
	if d.options.User != "" {
		var err error
		if user, err = process.LookupUser(d.options.User); err != nil {
			return err
		}
	}
	if err := process.Drop(user, d.options.Chroot); err != nil {
		return err
	}
	if d.options.PidFile == "" {
		return nil
	}
	pid, err := process.WritePidFile(d.options.PidFile)
	if err != nil {
		return err
	}
	d.own(pid.Remove)
	return nil
}

// Serve runs until it is told to stop and the last connection has ended.
func (d *Daemon) Serve() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d.group.Start()
	probing := make(chan struct{})
	go func() { d.prober.Run(ctx); close(probing) }()
	ended := make(chan struct{})
	go func() { d.group.Wait(); close(ended) }()
	for _, notice := range d.options.Notices {
		d.log.Warn(notice)
	}
	d.log.Info(d.budget.String())
	d.log.Info("listening", "address", d.options.Listen.Text, "servers", len(d.options.Servers))

	second := time.NewTicker(time.Second)
	defer second.Stop()
	var patience <-chan time.Time // runs out when draining has taken long enough
	for {
		select {
		case sig := <-d.signals:
			switch {
			case sig == syscall.SIGUSR1:
				d.report()
			case patience == nil:
				d.log.Info("draining", "signal", sig, "connections", d.group.Live(), "for", d.options.Drain)
				patience = time.After(d.options.Drain)
				d.group.Drain()
			default:
				d.group.Stop()
			}
		case <-patience:
			d.group.Stop()
		case <-second.C:
			d.table.Expire(d.group.Now(), expiryBudget)
		case <-ended:
			cancel()
			<-probing
			d.log.Info("stopped")
			return
		}
	}
}

// expiryBudget is how many clients whose tracking time is over are forgotten per second; they count for nothing before that.
const expiryBudget = 100_000

func (d *Daemon) own(undo func() error) { d.owned = append(d.owned, undo) }

// Close puts away what Build opened, last first.
func (d *Daemon) Close() {
	for i := len(d.owned) - 1; i >= 0; i-- {
		if err := d.owned[i](); err != nil {
			d.log.Warn("close", "error", err)
		}
	}
	signal.Stop(d.signals)
}
