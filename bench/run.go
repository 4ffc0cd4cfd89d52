package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// runner carries out a plan.
type runner struct {
	// constant after measure made it
	dir        string
	servers    []string
	serversPid int
	plan       *plan
	peak       float64 // given by the user; 0: to be measured
	progress   *progress

	// kept are the peers that clients have been made known to, which takes long: they stay for all rounds.
	kept map[*cell]*running
}

// giveUp is how many failed measurements a cell may have before the rest of its rounds is left out, so that a peer that cannot do a workload does not cost every round's time limits.
const giveUp = 2

// run measures every step and adds it to the report. It ends early, without an error, when ctx does. What goes wrong with one measurement is in the report; an error means that there
// is no use in going on.
func (r *runner) run(ctx context.Context, rep *report) error {
	defer r.stopKept()
	if err := r.setRates(ctx); err != nil {
		if ctx.Err() != nil {
			rep.Interrupted = true
			return nil
		}
		return err
	}
	if err := r.fillAll(ctx, rep); err != nil {
		rep.Interrupted = true
		return nil
	}
	steps := len(r.plan.Steps) + len(r.plan.Strace)
	r.progress.Start(steps, r.plan.length()/time.Duration(max(1, steps)))
	for _, s := range r.plan.Steps {
		w, p := r.plan.Workloads[s.Workload], r.plan.Peers[s.Peer]
		cell := rep.cell(s.Workload, s.Peer)
		if cell.failures() >= giveUp || w.fills(p.Kind) && r.kept[cell] == nil {
			r.progress.Omit()
			continue
		}
		r.progress.Step(fmt.Sprintf("round %d/%d  %s  %s", s.Round+1, r.plan.Rounds, w.Name, p.Label))
		m := r.one(ctx, w, p, cell)
		if ctx.Err() != nil {
			rep.Interrupted = true
			return nil
		}
		m.Round = s.Round
		cell.Rounds = append(cell.Rounds, m)
		r.progress.Done(cell, w.Unit)
	}
	if !r.countCalls(ctx, rep) {
		rep.Interrupted = true
		return nil
	}
	// Servers that died would have failed every measurement after that; say it once and plainly.
	return awaitListener(r.servers[0], startLimit)
}

// one measures one workload with one peer: freshly started, or kept from an earlier round of the cell.
func (r *runner) one(ctx context.Context, w workload, p *peer, c *cell) measurement {
	at, err := r.ready(ctx, w, p, c)
	if err != nil {
		return failedMeasurement(err)
	}
	j := r.job(w, at)
	if c != nil {
		j.Seed = uint64(len(c.Rounds))
	}
	out, err := drive(ctx, j)
	if err != nil {
		err = at.explain(err)
	}
	if r.kept[c] == nil || err != nil {
		delete(r.kept, c)
		if stopErr := at.stop(); err == nil && stopErr != nil {
			err = fmt.Errorf("stop %s: %w", p.Label, stopErr)
		}
	}
	if err != nil {
		return failedMeasurement(err)
	}
	return newMeasurement(out)
}

func (r *runner) job(w workload, at *running) job {
	return job{Shape: w.Shape, Targets: at.addrs, Warm: r.plan.Warm, Window: r.plan.Window, Proxy: at.pid(), Servers: r.serversPid}
}

// ready returns a peer ready for a workload. The caller stops it, unless it is in kept.
func (r *runner) ready(ctx context.Context, w workload, p *peer, c *cell) (*running, error) {
	if at := r.kept[c]; at != nil {
		return at, nil
	}
	dir, err := os.MkdirTemp(r.dir, "peer-")
	if err != nil {
		return nil, err
	}
	t := task{Dir: dir, Servers: r.servers, Family: w.Family, Conns: w.Shape.open(), Clients: w.Known}
	at, err := startPeer(ctx, p, t)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	at.dir = dir
	return at, nil
}
