package daemon

import (
	"context"
	"time"

	"pen/internal/backend"
	"pen/internal/balance"
)

// doorPeriod is how often it is asked whether clients may come in, under on_no_server close-listener.
const doorPeriod = time.Second

// complainEvery is after how many tries in vain to listen again the next complaint comes.
const complainEvery = 60

// ready says whether a server that is not for emergencies, or the dummy, would take a new client.
func (d *Daemon) ready(plan *balance.Plan, now int64) bool {
	usable, _ := d.usable(plan, now)
	return plan.Dummy || usable > 0
}

// usable counts the servers that would take a new client, and all.
func (d *Daemon) usable(plan *balance.Plan, now int64) (usable, all int) {
	for i := range plan.Servers {
		if id := plan.Servers[i].ID; id != backend.None {
			all++
			if d.slots.Get(id).Health(now).Usable() {
				usable++
			}
		}
	}
	return usable, all
}

// keepDoor closes the listeners while no server is usable, if the operator wants that, and opens them again, until ctx ends. The answer is that of /readyz.
func (d *Daemon) keepDoor(ctx context.Context) {
	look := time.NewTicker(doorPeriod)
	defer look.Stop()
	for failed := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		plan := d.balance.Plan()
		closed := plan.OnNoServer == balance.CloseListener && !d.ready(plan, d.Now())
		switch {
		case closed == d.group.Suspended(), d.watch.ending.Load():
		case closed:
			d.group.Suspend()
			d.log.Warn("no server is usable: clients are refused", "address", d.language.State().Listen, "because", "on_no_server "+plan.OnNoServer.String())
		default:
			if err := d.group.Resume(); err != nil {
				if failed%complainEvery == 0 {
					d.log.Error("listen again", "address", d.language.State().Listen, "error", err, "next", doorPeriod)
				}
				failed++
				continue
			}
			failed = 0
			d.log.Info("clients are accepted again", "address", d.language.State().Listen)
		}
	}
}
