package main

import (
	"context"
	"fmt"
)

// fillAll starts the peers to which clients must be known, and makes them known, once for all rounds. It returns an error only when ctx has ended; a peer that cannot be filled has its
// failure in the report, and is not measured.
func (r *runner) fillAll(ctx context.Context, rep *report) error {
	r.kept = map[*cell]*running{}
	for wi, w := range r.plan.Workloads {
		for pi, p := range r.plan.Peers {
			if !w.suits(p.Kind) || !w.fills(p.Kind) {
				continue
			}
			r.progress.Say(fmt.Sprintf("making %s clients known to %s", grouped(int64(w.Known)), p.Label))
			c := rep.cell(wi, pi)
			at, err := r.ready(ctx, w, p, nil)
			if err == nil {
				r.kept[c] = at
				err = r.fill(ctx, w, at)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				c.Rounds = append(c.Rounds, failedMeasurement(err))
				r.drop(c)
			}
		}
	}
	return nil
}

// fill makes clients known to a peer.
func (r *runner) fill(ctx context.Context, w workload, at *running) error {
	j := r.job(w, at)
	j.Shape.Driver, j.Shape.Conns, j.Warm, j.Window = "fill", fillers, 0, 0
	out, err := drive(ctx, j)
	if err == nil && out.Errors > 0 {
		err = fmt.Errorf("%d errors, the first: %s", out.Errors, out.First)
	}
	if err != nil {
		return fmt.Errorf("make %d clients known: %w", w.Known, at.explain(err))
	}
	return nil
}

// drop stops the peer that is kept for a cell, if there is one. How it ends is no news.
func (r *runner) drop(c *cell) {
	if at := r.kept[c]; at != nil {
		_ = at.stop()
		delete(r.kept, c)
	}
}

// stopKept stops what is kept.
func (r *runner) stopKept() {
	for c := range r.kept {
		r.drop(c)
	}
}
