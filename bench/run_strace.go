package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// countCalls goes through the cells once more with strace attached, and adds the system calls per unit to their rounds. It returns false if ctx ended.
func (r *runner) countCalls(ctx context.Context, rep *report) bool {
	for _, s := range r.plan.Strace {
		w, p, c := r.plan.Workloads[s.Workload], r.plan.Peers[s.Peer], rep.cell(s.Workload, s.Peer)
		if c.failures() > 0 {
			r.progress.Omit()
			continue
		}
		r.progress.Step(fmt.Sprintf("strace  %s  %s", w.Name, p.Label))
		m := r.straced(ctx, w, p)
		if ctx.Err() != nil {
			return false
		}
		for i := range c.Rounds {
			c.Rounds[i].Syscalls = m.Syscalls
		}
		if !m.valid() {
			r.progress.Say(fmt.Sprintf("strace of %s with %s: %s", p.Label, w.Name, m.Error))
		}
		r.progress.Done(c, w.Unit)
	}
	return true
}

// straced measures one cell under strace. All that its figures are good for is the number of system calls per unit.
func (r *runner) straced(ctx context.Context, w workload, p *peer) measurement {
	at, err := r.ready(ctx, w, p, nil)
	if err != nil {
		return failedMeasurement(err)
	}
	j := r.job(w, at)
	j.Strace = filepath.Join(at.dir, "strace")
	out, err := drive(ctx, j)
	if err != nil {
		err = at.explain(err)
	}
	if err = errors.Join(err, at.stop()); err != nil {
		return failedMeasurement(err)
	}
	return newMeasurement(out)
}
