// Command bench measures pen beside other proxies, as a black box: it starts each proxy, servers behind it and load in front of it, all on loopback, and compares rate, CPU time
// and memory. It imports nothing of pen's.
//
//	go run ./bench            every peer that is installed, every workload, under 15 minutes
//	go run ./bench --quick    a part of it in under a minute
//	go run ./bench --list     what there is to choose from
//
// Three processes take part in each measurement, so that the CPU time of the proxy's process tree is the proxy's alone: servers (gnet), the proxy, and load clients. Servers and
// load are this binary again, started with the word "role".
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// Exit statuses.
const (
	exitFailed      = 1   // a measurement had errors, or the benchmark could not run
	exitUsage       = 64  // EX_USAGE
	exitInterrupted = 130 // 128 + SIGINT
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == roleWord {
		os.Exit(playRole(os.Args[2]))
	}
	os.Exit(bench(os.Args[1:]))
}

// bench is the plot: options → peers → servers → rounds → report.
func bench(args []string) int {
	o, err := parseOptions(args, os.Stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return exitUsage
	case o.list:
		fmt.Print(listing())
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	failed, err := measure(ctx, o)
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return exitFailed
	case failed:
		return exitFailed
	}
	return 0
}

// measure runs the whole benchmark and reports it. failed says that some measurement had errors.
func measure(ctx context.Context, o *options) (failed bool, err error) {
	raiseDescriptorLimit()
	if o.strace {
		if _, err := findStrace(); err != nil {
			return false, err
		}
	}
	// Now rather than after all the rounds.
	before, err := o.checkFiles()
	if err != nil {
		return false, err
	}
	began := time.Now()
	dir, err := os.MkdirTemp("", "pen-bench-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	progress := newProgress(os.Stderr)

	peers, missing, err := findPeers(ctx, o, dir, progress)
	if err != nil {
		return false, err
	}
	back, err := startServerChild()
	if err != nil {
		return false, err
	}
	defer back.Stop(stopGrace)

	p := newPlan(o, peers, fileLimit())
	rep := newReport(o, thisMachine(), p, missing)
	r := &runner{dir: dir, servers: back.addrs, serversPid: back.Pid(), plan: p, peak: o.peak, progress: progress}
	err = r.run(ctx, rep)
	progress.Clear()
	rep.Took = time.Since(began)
	if before != nil {
		rep.before = rep.compareWith(before)
	}
	fmt.Print(rep.Text())
	return rep.failed(), errors.Join(err, rep.writeFiles(os.Stdout))
}
