package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"
)

// options is the command line. Constant after parseOptions.
type options struct {
	args      []string // as given
	pen       string   // the pen binary; empty: build it
	peers     []spec
	chosen    bool // peers were asked for by name, so none of them may be missing
	workloads []workload
	quick     bool
	rounds    int     // 0: as the time allows
	seconds   float64 // length of one measurement; 0: as the time allows
	seed      uint64
	peak      float64 // requests per second that latency rates are shares of; 0: to be measured
	strace    bool
	json      string
	html      string
	compare   string // an earlier run's --json
	list      bool
}

// parseOptions reads the command line. It writes the usage to out when asked for it, and then returns pflag.ErrHelp.
func parseOptions(args []string, out io.Writer) (*options, error) {
	o := &options{args: args}
	var peers, only []string
	f := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(io.Discard)
	f.StringVar(&o.pen, "pen", "", "measure the pen binary at `PATH` (default: go build)")
	f.StringArrayVar(&peers, "peer", nil, "measure only this `PEER`; repeatable; pen takes flags: --peer 'pen --splice never'")
	f.StringSliceVar(&only, "only", nil, "run only these `WORKLOADS`, by family or name (conn,keepalive-64)")
	f.BoolVar(&o.quick, "quick", false, "in under a minute, with wider error")
	f.IntVar(&o.rounds, "rounds", 0, "measure everything `N` times (default: as 15 minutes allow, at most 5)")
	f.Float64Var(&o.seconds, "seconds", 0, "length of one measurement in `S` seconds, warm-up aside (default: as 15 minutes allow, at most 2)")
	f.Uint64Var(&o.seed, "seed", 0, "`N` that decides the order of the measurements (default: another each time)")
	f.Float64Var(&o.peak, "peak", 0, "the latency workloads send at shares of `RATE` requests per second (default: the best other proxy's rate on 64 connections)")
	f.BoolVar(&o.strace, "strace", false, "go through everything once more to count system calls per unit")
	f.StringVar(&o.json, "json", "", "write every figure to `FILE` as JSON")
	f.StringVar(&o.html, "html", "", "write a report with plots to `FILE`: one page that needs nothing else")
	f.StringVar(&o.compare, "compare", "", "compare with an earlier run, of which `OLD.json` is what --json wrote")
	f.BoolVar(&o.list, "list", false, "list peers and workloads, and what is not installed")
	if err := f.Parse(args); err != nil {
		if err == pflag.ErrHelp {
			fmt.Fprintf(out, "usage: go run ./bench [flags]\n\n%s", f.FlagUsages())
		}
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.rounds < 0 || o.rounds > 1000 {
		return nil, fmt.Errorf("--rounds %d: want 1..1000", o.rounds)
	}
	if o.seconds < 0 || o.seconds > 3600 || (o.seconds > 0 && o.seconds < 0.05) {
		return nil, fmt.Errorf("--seconds %g: want 0.05..3600", o.seconds)
	}
	if o.peak < 0 || o.peak > 1e8 {
		return nil, fmt.Errorf("--peak %g: want a rate up to 1e8", o.peak)
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1_000_000) + 1
	}
	var err error
	if o.workloads, err = selectWorkloads(only, o.quick); err != nil {
		return nil, err
	}
	o.chosen = len(peers) > 0
	if !o.chosen {
		peers = defaultPeers
	}
	o.peers, err = parseSpecs(peers)
	return o, err
}

// listing is what --list prints.
func listing() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "peers (--peer)")
	for _, k := range kinds {
		state := "installed"
		if _, err := k.find(); err != nil {
			state = err.Error()
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", k.name, k.what, state)
	}
	fmt.Fprintln(w, "\nworkloads (--only)")
	for _, l := range workloads {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", l.Name, l.Title, l.When)
	}
	w.Flush()
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
