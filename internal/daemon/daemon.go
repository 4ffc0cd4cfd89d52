// Package daemon is one balancer from its options to its end: it makes every room what the options ask for, joins them, and owns their lifetimes. It decides nothing about connections.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"pen/affinity"
	"pen/internal/accesslog"
	"pen/internal/acl"
	"pen/internal/backend"
	"pen/internal/balance"
	"pen/internal/config"
	"pen/internal/control"
	"pen/internal/process"
	"pen/internal/web"
	"pen/loop"
	"pen/probe"
)

// Daemon is a balancer that is ready to serve, and everything it owns.
type Daemon struct {
	// constant after Build
	format   accesslog.Format // of the access log
	options  *config.Options
	trying   bool // nothing is to come of it: see Check
	log      *slog.Logger
	replies  io.Writer // of the commands of -O and -F
	level    *slog.LevelVar
	slots    *backend.Slots
	table    *affinity.Table
	balance  *balance.Balancer
	group    *loop.Group
	prober   *probe.Prober
	language *control.Interpreter
	port     *control.Port // nil: no control port
	web      *web.Window   // nil: no page
	geo      *acl.GeoIP    // nil: no country is known
	budget   config.Budget // the start-up plan
	netstat  *netstat
	signals  chan os.Signal
	leave    chan struct{}  // has an element once `exit` was said
	owned    []func() error // what Close undoes, in the order in which it was done

	// atomic: written by whoever applies a state, which is Build, then the language
	access atomic.Pointer[accesslog.Log] // nil: what clients send is not logged

	watch watch
	lost  lost
}

// Build opens everything that can refuse to be opened, and then gives up root and whatever else it will not need. All or nothing.
func Build(o *config.Options, log *slog.Logger, level *slog.LevelVar) (d *Daemon, err error) {
	format, err := accesslog.ParseFormat(o.LogFormat)
	if err != nil {
		return nil, err
	}
	d = &Daemon{options: o, format: format, log: log, replies: os.Stdout, level: level, slots: backend.NewSlots(), signals: make(chan os.Signal, 8), leave: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	signal.Notify(d.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE)
	if err := o.Resolve(context.Background()); err != nil {
		return d, err
	}
	cfg, err := d.loops()
	if err != nil {
		return d, err
	}
	if err := d.learn(); err != nil {
		return d, err
	}
	if err := d.open(cfg); err != nil {
		return d, err
	}
	d.netstat = openNetstat()
	d.own(d.netstat.close)
	d.beWatched()
	if err := d.settle(); err != nil {
		return d, err
	}
	return d, d.confine()
}

// learn brings the language's state from the flags by way of the commands to the file's last word.
func (d *Daemon) learn() error {
	if d.options.GeoIP != "" {
		geo, err := acl.OpenGeoIP(d.options.GeoIP)
		if err != nil {
			return err
		}
		d.geo = geo
		d.own(geo.Close)
	}
	initial, err := d.state()
	if err != nil {
		return err
	}
	d.language = control.New(d, *initial, control.Config{
		File: d.options.ConfigFile, Dirs: d.options.ControlFiles, Exit: d.options.AllowExit, Try: d.trying, Output: d.replies, Log: d.log,
	})
	if err := d.language.Batch(d.options.Commands...); err != nil {
		d.log.Warn("commands", "error", err)
	}
	if d.options.ConfigFile != "" {
		switch err := d.language.Load(d.options.ConfigFile); {
		case errors.Is(err, fs.ErrNotExist): // as Pen: the file may come later, with a HUP
			d.log.Warn(fmt.Sprintf("Can't read config file '%s'", d.options.ConfigFile))
		case err != nil:
			return err
		}
	}
	return d.language.Start()
}

// open opens what the state asks for.
func (d *Daemon) open(cfg loop.Config) (err error) {
	s := d.language.State()
	if err := wantsServers(&s); err != nil {
		return err
	}
	if cfg.Endpoint, err = endpoint(s.Listen); err != nil {
		return err
	}
	cfg.MaxConns, cfg.Tuning = s.Plan.MaxConns, tuning(&s.Plan)
	d.level.Set(process.Level(s.Debug))
	if d.table, err = affinity.New(s.ClientsMax, s.Tracking); err != nil {
		return err
	}
	d.own(d.table.Close)
	plan := d.plan(&s)
	d.balance = balance.New(d.slots, d.table, plan)
	if cfg.Inherited, err = inherit(cfg.Endpoint); err != nil {
		return err
	}
	if d.group, err = loop.Open(cfg, d.balance); err != nil {
		return err
	}
	d.own(func() error { d.group.Stop(); d.group.Wait(); return nil })
	if d.options.Control != "" {
		d.port, err = control.Open(d.options.Control, d.language, staysRoot(d.options.User), d.log)
		switch {
		case errors.Is(err, control.ErrRoot): // as Pen: said, and on without
			d.log.Error(err.Error())
		case err != nil:
			return fmt.Errorf("control port: %w", err)
		default:
			d.own(func() error { d.port.Close(); return nil })
		}
	}
	if err := d.openWeb(); err != nil {
		return err
	}
	return d.makeProber(plan)
}

// staysRoot reports whether the process is root and is not going to be anybody else.
func staysRoot(user string) bool {
	if os.Getuid() != 0 || user == "" {
		return os.Getuid() == 0
	}
	to, err := process.LookupUser(user)
	return err == nil && to.UID == 0
}

// settle takes the place in the system the operator gave us. The access log is opened inside the jail.
func (d *Daemon) settle() error {
	o := d.options
	pid, err := process.Place{User: o.User, Chroot: o.Chroot, PidFile: o.PidFile}.Take(func() error {
		dest := d.language.State().Log
		if dest == "" {
			return nil
		}
		access, err := d.openLog(dest)
		d.access.Store(access)
		return err
	})
	d.own(d.closeAccess)
	if err != nil {
		return err
	}
	d.own(pid.Remove)
	return nil
}

// Serve runs until it is told to stop and the last connection has ended.
func (d *Daemon) Serve() {
	ctx, cancel := context.WithCancel(context.Background())
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	d.logTo(d.access.Load())
	initial := d.language.State()
	d.tap(&initial)
	debug.FreeOSMemory() // what only the start has needed goes back; connections find the collector's own half megabyte in place
	d.group.Start()
	d.group.Refresh()
	beside.Go(func() { d.prober.Run(ctx) })
	if d.port != nil {
		beside.Go(func() { d.port.Run(ctx) })
	}
	if d.web != nil {
		beside.Go(func() { d.web.Run(ctx) })
	}
	ended := make(chan struct{})
	go func() { d.group.Wait(); close(ended) }()
	for _, notice := range d.options.Notices {
		d.log.Warn(notice)
	}
	d.log.Info(d.budget.String())
	s := d.language.State()
	d.log.Info("listening", "address", s.Listen, "servers", len(s.Plan.Servers))

	beside.Go(d.tellManager(ctx))
	beside.Go(func() { d.keepDoor(ctx) })

	second := time.NewTicker(time.Second)
	defer second.Stop()
	overflow := time.NewTicker(overflowPeriod)
	defer overflow.Stop()
	var patience <-chan time.Time // runs out when draining has taken long enough
	for {
		select {
		case sig := <-d.signals:
			switch {
			case sig == syscall.SIGUSR1:
				d.report()
			case sig == syscall.SIGHUP:
				d.reload()
			case patience == nil:
				d.log.Info("draining", "signal", sig, "connections", d.group.Live(), "for", d.options.Drain)
				patience = time.After(d.options.Drain)
				d.group.Drain()
				d.end()
			default:
				d.group.Stop()
			}
		case <-d.leave:
			d.group.Stop()
		case <-patience:
			d.group.Stop()
		case <-second.C:
			d.table.Expire(d.group.Now(), expiryBudget)
		case <-overflow.C:
			waiting, most := d.group.Backlog()
			d.netstat.complain(d.log, waiting, most)
		case <-ended:
			d.log.Info("stopped")
			return
		}
	}
}

// expiryBudget is how many clients whose tracking time is over are forgotten per second; they count for nothing before that.
const expiryBudget = 100_000

// reload is what HUP asks for: the log's file and the country database are opened anew, and the configuration is read again. A bad file changes nothing.
func (d *Daemon) reload() {
	defer d.reloading()()
	if access := d.access.Load(); access != nil {
		if err := access.Reopen(); err != nil {
			d.log.Error("reopen the log", "error", err)
		}
	}
	if d.geo != nil {
		if err := d.geo.Reopen(); err != nil {
			d.log.Error("reopen the country database", "error", err)
		}
	}
	if d.options.ConfigFile == "" {
		return
	}
	if err := d.language.Load(d.options.ConfigFile); err != nil {
		d.log.Error("reload", "error", err)
		return
	}
	d.log.Info("reloaded", "file", d.options.ConfigFile)
}

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
