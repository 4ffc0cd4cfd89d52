package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// runner carries out a plan.
type runner struct {
	// constant after measure made it
	dir        string
	servers    []string
	serversPid int
	plan       *plan
	progress   *progress
}

// giveUp is how many failed measurements a cell may have before the rest of its rounds is left out, so that a peer that cannot do a workload does not cost every round's time limits.
const giveUp = 2

// run measures every step and adds it to the report. It ends early, without an error, when ctx does. What goes wrong with one measurement is in the report; an error means that there
// is no use in going on.
func (r *runner) run(ctx context.Context, rep *report) error {
	r.progress.Start(len(r.plan.Steps), r.plan.step())
	for _, s := range r.plan.Steps {
		w, p := r.plan.Workloads[s.Workload], r.plan.Peers[s.Peer]
		cell := rep.cell(s.Workload, s.Peer)
		if cell.failures() >= giveUp {
			r.progress.Skip()
			continue
		}
		r.progress.Step(fmt.Sprintf("round %d/%d  %s  %s", s.Round+1, r.plan.Rounds, w.Name, p.Label))
		m := r.one(ctx, w, p)
		if ctx.Err() != nil {
			rep.Interrupted = true
			return nil
		}
		m.Round = s.Round
		cell.Rounds = append(cell.Rounds, m)
		r.progress.Done(cell, w.Unit)
	}
	// Servers that died would have failed every measurement after that; say it once and plainly.
	return awaitListener(r.servers[0], startLimit)
}

// one measures one workload with one peer, freshly started.
func (r *runner) one(ctx context.Context, w workload, p *peer) measurement {
	dir, err := os.MkdirTemp(r.dir, "peer-")
	if err != nil {
		return failedMeasurement(err)
	}
	defer os.RemoveAll(dir)
	at, err := startPeer(ctx, p, task{Dir: dir, Servers: r.servers, Family: w.Family})
	if err != nil {
		return failedMeasurement(err)
	}
	out, err := drive(ctx, job{Shape: w.Shape, Targets: at.addrs, Warm: r.plan.Warm, Window: r.plan.Window, Proxy: at.pid(), Servers: r.serversPid})
	if err != nil && at.proxy != nil && at.proxy.Ended() {
		err = fmt.Errorf("%s ended: %w: %s", filepath.Base(p.Path), errors.Join(at.proxy.err, err), at.proxy.Said())
	}
	if stopErr := at.stop(); err == nil && stopErr != nil {
		err = fmt.Errorf("stop %s: %w", p.Label, stopErr)
	}
	if err != nil {
		return failedMeasurement(err)
	}
	return newMeasurement(out)
}
