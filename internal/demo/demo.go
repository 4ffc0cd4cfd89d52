package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// Exit codes of the demo's own; a balancer that does not start hands on its own code.
const (
	exitOK          = 0
	exitFailed      = 1   // something was not as announced, or could not be done
	exitInterrupted = 130 // Ctrl-C during the tour: 128 + SIGINT, as a shell would say it
)

const (
	preferredPort = 8080            // easy to type
	stopTimeout   = 3 * time.Second // from TERM to KILL; the servers are closed by then, so there is nothing to drain
)

// balancerFlags make the balancer notice a dead server in 0.4 s and a returned one in 0.2 s, so that the tour need not wait. They come after the user's own flags.
var balancerFlags = []string{"-x", "2000", "--check-interval", "0.2", "--check-timeout", "0.2", "--rise", "1", "--fall", "2", "-b", "2"}

// demo is how one run of the demo is set up.
type demo struct {
	// constant after New
	self string // the balancer's binary
	port int    // tried first for the balancer; 0 = any
	pace pace
	bulk int64 // bytes of the large transfer
}

var errBalancerGone = errors.New("the balancer stopped by itself")

// Run gives the tour on out and returns the process's exit code. `--tour-only` and `--help` in args are its own; all others go to the balancer.
// It returns when the tour is over (`--tour-only`), on SIGINT or SIGTERM, or when ctx ends; its servers, clients and child have ended by then.
func Run(ctx context.Context, args []string, out io.Writer) int {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintf(out, "pen demo: find the program's own binary: %v\n", err)
		return exitFailed
	}
	d := demo{self: self, port: preferredPort, pace: humanPace, bulk: 1 << 30}
	return d.run(ctx, args, out)
}

const usage = `Usage: pen demo [--tour-only] [pen's flags]

Starts three small web servers and a balancer in front of them, shows in about
15 seconds what the balancer does, and stays up until Ctrl-C.

  --tour-only   end after the tour; exit 1 if anything was not as announced
  --help        this text

Other flags go to the balancer, for instance --poller gnet or --loops 1.
`

func (d *demo) run(ctx context.Context, args []string, out io.Writer) int {
	var flags []string
	tourOnly := false
	for _, arg := range args {
		switch arg {
		case "--tour-only":
			tourOnly = true
		case "--help":
			io.WriteString(out, usage)
			return exitOK
		default:
			flags = append(flags, arg)
		}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C finds the default action and ends the demo where it stands

	code, err := d.perform(ctx, flags, tourOnly, newScreen(out))
	if err != nil {
		fmt.Fprintf(out, "pen demo: %v\n", err)
	}
	return code
}

// perform opens the stage, gives the tour and clears up. Nothing it started outlives it.
func (d *demo) perform(ctx context.Context, flags []string, tourOnly bool, scr *screen) (int, error) {
	servers, err := openServers()
	if err != nil {
		return exitFailed, err
	}
	defer closeServers(servers)
	front, err := freeAddress(d.port)
	if err != nil {
		return exitFailed, err
	}
	pen, err := startChild(d.self, commandLine(flags, front, servers))
	if err != nil {
		return exitFailed, err
	}
	defer func() {
		pen.Signal(syscall.SIGTERM)
		closeServers(servers)
		pen.Stop(stopTimeout)
	}()
	if err := awaitAccept(ctx, d.pace.start, front, pen); err != nil {
		return failedStart(ctx, err, pen, scr)
	}

	t := newTour(d, scr, servers, pen, front)
	if err := t.give(ctx); ctx.Err() != nil {
		return exitInterrupted, nil
	} else if err != nil {
		return exitFailed, err
	}
	if tourOnly {
		return t.verdict(), nil
	}
	return t.stay(ctx)
}

func commandLine(flags []string, front string, servers []*server) []string {
	args := append([]string{"-f"}, flags...)
	args = append(args, balancerFlags...)
	args = append(args, front)
	for _, s := range servers {
		args = append(args, s.addr)
	}
	return args
}

// freeAddress returns port of 127.0.0.1 if nobody listens there, else a port that the kernel picks. It is free now; the balancer says so if it is not when it starts.
func freeAddress(port int) (string, error) {
	for _, p := range []int{port, 0} {
		l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
		if p == 0 {
			return "", fmt.Errorf("find a free port: %w", err)
		}
	}
	panic("unreachable: the last try returns")
}

// awaitAccept returns nil once the balancer accepts connections, an error if it has ended or bound has passed.
func awaitAccept(ctx context.Context, bound time.Duration, front string, pen *child) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	for {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp4", front)
		if err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-pen.done:
			return errBalancerGone
		case <-ctx.Done():
			return fmt.Errorf("the balancer did not accept on %s within %s", front, bound)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// failedStart shows what the balancer said before it gave up, and takes over its exit code.
func failedStart(ctx context.Context, err error, pen *child, scr *screen) (int, error) {
	if ctx.Err() != nil {
		return exitInterrupted, nil
	}
	lines, _ := pen.journal.Since(0)
	for _, line := range lines {
		scr.print(line)
	}
	if errors.Is(err, errBalancerGone) {
		code := pen.ExitCode()
		if code == exitOK { // it was asked for something else, such as its version
			return exitOK, nil
		}
		return code, fmt.Errorf("the balancer did not start (%s): %s", pen.Ending(), pen.CommandLine())
	}
	return exitFailed, fmt.Errorf("%w: %s", err, pen.CommandLine())
}
