package daemon

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"pen/internal/process"
)

// statusPeriod is how often the service manager hears how the service does, unless its watchdog wants to know more often.
const statusPeriod = 5 * time.Second

// watch is the service manager's eye on the daemon.
type watch struct {
	// constant after Build
	supervisor *process.Supervisor // nil: nobody watches

	// atomic: written by Serve
	ending atomic.Bool // told to stop
}

// beWatched finds the service manager, before a jail hides it.
func (d *Daemon) beWatched() {
	supervisor, err := process.FindSupervisor()
	d.told(err)
	d.watch.supervisor = supervisor
	d.own(supervisor.Close)
}

// tellManager tells the service manager that the service has started, and returns what goes on telling it how it does until ctx ends.
//
// The watchdog is fed by the loops: each of them has to answer before the word goes out. One that is stuck keeps the answer back for ever, and the service manager does what it is there for.
func (d *Daemon) tellManager(ctx context.Context) func() {
	manager := d.watch.supervisor
	if manager == nil {
		return func() {}
	}
	d.told(manager.Ready(d.status()))
	period := statusPeriod
	if watchdog := manager.Watchdog(); watchdog > 0 {
		period = min(period, watchdog/2) // half, as sd_watchdog_enabled(3) advises
	}
	return func() {
		beat := time.NewTicker(period)
		defer beat.Stop()
		for {
			select {
			case <-beat.C:
				d.group.Idlers() // the cheapest question that every loop has to answer
				d.told(manager.Well(d.status()))
			case <-ctx.Done():
				return
			}
		}
	}
}

// reloading tells the service manager that a reload has begun; what it returns, that it is over.
func (d *Daemon) reloading() (over func()) {
	if d.watch.ending.Load() {
		return func() {} // a service that stops does not get ready any more
	}
	d.told(d.watch.supervisor.Reloading())
	return func() { d.told(d.watch.supervisor.Ready(d.status())) }
}

// end tells the service manager that the service stops, and how long that may take.
func (d *Daemon) end() {
	d.watch.ending.Store(true)
	d.told(d.watch.supervisor.Stopping(d.options.Drain, d.status()))
}

// status is the service in a line.
func (d *Daemon) status() string {
	if d.watch.ending.Load() {
		return fmt.Sprintf("draining: %d connections open", d.group.Live())
	}
	plan := d.balance.Plan()
	usable, all := d.usable(plan, d.Now())
	return fmt.Sprintf("serving %s: %d of %d servers usable, %d of %d connections", d.language.State().Listen, usable, all, d.group.Live(), plan.MaxConns)
}

// told takes the verdict on a word to the service manager.
func (d *Daemon) told(err error) {
	if err != nil {
		d.log.Warn(err.Error())
	}
}
