package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// peakWindow is the longest that one peer's peak rate is measured.
const peakWindow = time.Second

// setRates gives the workloads that send at a share of the peak rate their rates, the same for all peers: shares of what the best of the other proxies does on as many keep-alive
// connections, measured now. Without another proxy pen's own rate has to do, and failing that the rate of what there is.
func (r *runner) setRates(ctx context.Context) error {
	if !slices.ContainsFunc(r.plan.Workloads, func(w workload) bool { return w.Share > 0 }) {
		return nil
	}
	rate, of := r.peak, "what --peak says"
	if rate == 0 {
		var err error
		if rate, of, err = r.findPeak(ctx); err != nil {
			return err
		}
	}
	for i := range r.plan.Workloads {
		if w := &r.plan.Workloads[i]; w.Share > 0 {
			w.Shape.Rate = w.Share * rate
			w.X = w.Shape.Rate
			w.Title = fmt.Sprintf("latency at %s requests per second, %.0f %% of %s, on %d connections", grouped(int64(w.Shape.Rate)), 100*w.Share, of, w.Shape.Conns)
		}
	}
	return nil
}

// findPeak measures the peak rates of the peers that count, and returns the best and words for it.
func (r *runner) findPeak(ctx context.Context) (best float64, of string, err error) {
	peak := keepalive(steadyConns)
	brief := *r
	brief.plan = &plan{pace: pace{1, r.plan.Warm, min(r.plan.Window, peakWindow)}}
	for _, p := range peakPeers(r.plan.Peers) {
		r.progress.Say("measuring the peak rate of " + p.Label)
		m := brief.one(ctx, peak, p, nil)
		if ctx.Err() != nil {
			return 0, "", ctx.Err()
		}
		if m.valid() && m.Rate > best {
			best, of = m.Rate, "the peak of "+p.Label
		}
	}
	if best == 0 {
		return 0, "", fmt.Errorf("no peer can do %s, whose rate the latency workloads are given shares of", peak.Name)
	}
	return best, of, nil
}

// peakPeers are the peers one of whose peaks the rates are shares of.
func peakPeers(peers []*peer) []*peer {
	for _, like := range []func(k *kind) bool{
		func(k *kind) bool { return !k.baseline && k.name != "pen" },
		func(k *kind) bool { return !k.baseline },
	} {
		if chosen := slices.DeleteFunc(slices.Clone(peers), func(p *peer) bool { return !like(p.Kind) }); len(chosen) > 0 {
			return chosen
		}
	}
	return peers
}
