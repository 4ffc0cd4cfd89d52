package config

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// What is open apart from connections and pipes, in descriptors.
const (
	// standingFDs: the standard streams 3, the Go runtime 4 (its poller and the cgroup's CPU quota), the log 1, the kernel's counters 1, and room for what comes and goes: files of /proc, the pid file, the resolver's sockets.
	standingFDs = 16
	// loopFDs: epoll, eventfd, timerfd, a listener, the batch of sends, and a connection accepted only to be turned away.
	loopFDs = 6
	// probeShare is the part of the limit, as a divisor, that health checks may claim: each server may have one under way.
	// Past it some checks find no descriptor and give no verdict, which is better than not to start.
	probeShare = 8
	// pipeShare is the part of the descriptors left for traffic, as a divisor, that pipes keep while max-conns is being lowered.
	// A connection without a pipe is served all the same, by copying; so most go to connections.
	pipeShare = 8
	// controlClients is how many clients internal/control serves at once, and controlShare the part of the limit, as a divisor, that they may claim.
	// Past it a client may have to wait.
	controlClients = 256
	controlShare   = 8
	// webConns is how many connections the web page serves at once, and webShare the part of the limit, as a divisor, that they may claim.
	// Past it whoever wants to look has to wait.
	webConns = 1280
	webShare = 8
	// logFDs: the access log, and the same anew while HUP reopens it.
	logFDs = 2
	// connFDs and pipeFDs: a connection is a socket on either side, a pipe has two ends.
	connFDs = 2
	pipeFDs = 2
)

// slotBytes is what a client table slot takes: an entry of one 64-byte cache line and its part of the index.
const slotBytes = 80

// Budget is what the options cost on this machine. It is plain data.
type Budget struct {
	Loops    int
	CPUs     string // as given to --cpus; "" = unpinned
	MaxConns int    // the options' own, or what fits
	Pipes    int    // of the whole process; the options' own, or what fits
	PipeSize int    // bytes, as asked for; the kernel may grant less
	WebConns int    // connections to the web page; 0 = there is none

	Descriptors uint64 // needed when every connection and every pipe is open
	Nofile      uint64 // the limit they have to stay in

	Clients    int
	TableBytes int64 // of the client table, once every slot is in use
	PipeBytes  int64 // that the kernel may have to hold in all pipes
	IdleBytes  int64 // of the process's memory, with every connection open and idle
	MostBytes  int64 // that it takes at most, whatever its clients and servers do
	PipeQuota  int64 // fs.pipe-user-pages-soft in bytes, past which an unprivileged process gets smaller pipes; 0 = none, or unknown

	// Notice says what was lowered to make it fit; "" = nothing.
	Notice string
}

// Budget does the arithmetic for a limit of nofile descriptors and so many loops. What the operator did not ask for in so many words is lowered to fit: pipes first, then the number of connections.
// What he did ask for and cannot have is an error with the arithmetic in it.
func (o *Options) Budget(nofile uint64, loops int) (Budget, error) {
	return o.budget(nofile, loops, pipeQuota("/proc/sys/fs/pipe-user-pages-soft"))
}

func (o *Options) budget(nofile uint64, loops int, quota int64) (Budget, error) {
	b := Budget{
		Loops: loops, CPUs: o.CPUs,
		MaxConns: o.MaxConns, Pipes: o.Pipes, PipeSize: o.PipeSize,
		Nofile: nofile, Clients: o.Clients, PipeQuota: quota,
	}
	if o.Splice == "never" {
		b.Pipes = 0
	}
	fixed := uint64(standingFDs+loops*loopFDs) + o.probeFDs(nofile) + o.controlFDs(nofile)
	if o.AccessLog != "" {
		fixed += logFDs
	}
	if o.Web != "" {
		b.WebConns = max(1, int(min(webConns, nofile/webShare)))
		fixed += 1 + uint64(b.WebConns)
	}
	if err := o.fit(&b, fixed); err != nil {
		return Budget{}, err
	}
	b.Descriptors = b.traffic() + fixed
	b.TableBytes = int64(b.Clients) * slotBytes
	b.PipeBytes = int64(b.Pipes) * int64(b.PipeSize)
	b.IdleBytes, b.MostBytes = o.memory(&b)
	return b, nil
}

// traffic is the descriptors of connections and pipes.
func (b *Budget) traffic() uint64 {
	return connFDs*uint64(b.MaxConns) + pipeFDs*uint64(b.Pipes)
}

// probeFDs is what the health checks keep for themselves.
func (o *Options) probeFDs(nofile uint64) uint64 {
	if o.Check == "off" {
		return 0
	}
	return min(uint64(len(o.everyServer())), nofile/probeShare)
}

// controlFDs is what the control port keeps for itself: its listener and the clients.
func (o *Options) controlFDs(nofile uint64) uint64 {
	if o.Control == "" {
		return 0
	}
	return 1 + min(controlClients, nofile/controlShare)
}

// fit lowers b's pipes and connections until they stay in the limit, or says why they cannot.
func (o *Options) fit(b *Budget, fixed uint64) error {
	if b.traffic()+fixed <= b.Nofile {
		return nil
	}
	asked := *b
	left := uint64(0) // for connections and pipes
	if b.Nofile > fixed {
		left = b.Nofile - fixed
	}
	kept := uint64(b.Pipes) // pipes that stay when connections have to go
	if !o.pipesGiven {
		kept = min(kept, left/pipeShare/pipeFDs)
	}
	room := uint64(0) // connections that fit beside them
	if left > pipeFDs*kept {
		room = (left - pipeFDs*kept) / connFDs
	}
	if o.maxConnsGiven {
		connsAlone := connFDs * uint64(b.MaxConns)
		if connsAlone > left || o.pipesGiven {
			return o.tooMany(asked, fixed, room)
		}
		b.Pipes = int((left - connsAlone) / pipeFDs)
	} else {
		if room == 0 {
			return o.tooMany(asked, fixed, room)
		}
		b.MaxConns = int(min(uint64(b.MaxConns), room))
		if !o.pipesGiven {
			b.Pipes = int(min(uint64(b.Pipes), (left-connFDs*uint64(b.MaxConns))/pipeFDs))
		}
	}
	b.Notice = lowered(asked, *b)
	return nil
}

// tooMany is the error of a budget that does not fit, where room is the number of connections that would.
func (o *Options) tooMany(asked Budget, fixed, room uint64) error {
	conns, pipes := connFDs*uint64(asked.MaxConns), pipeFDs*uint64(asked.Pipes)
	text := fmt.Sprintf("-x %d needs %d + %d + %d = %d descriptors, the limit is %d: raise it (ulimit -n)",
		asked.MaxConns, conns, pipes, fixed, conns+pipes+fixed, asked.Nofile)
	switch {
	case room > 0:
		text += fmt.Sprintf(" or use -x %d", room)
	case o.pipesGiven:
		text += " or lower --pipes"
	}
	return errors.New(text)
}

// lowered says what became of what was asked for.
func lowered(asked, got Budget) string {
	var parts []string
	if got.MaxConns != asked.MaxConns {
		parts = append(parts, fmt.Sprintf("max-conns lowered from %d to %d", asked.MaxConns, got.MaxConns))
	}
	if got.Pipes != asked.Pipes {
		parts = append(parts, fmt.Sprintf("pipes lowered from %d to %d", asked.Pipes, got.Pipes))
	}
	return fmt.Sprintf("%s: the limit is %d descriptors (ulimit -n)", strings.Join(parts, ", "), asked.Nofile)
}

// String is the plan in one line, for the operator to read at the start.
func (b Budget) String() string {
	cpus := b.CPUs
	if cpus == "" {
		cpus = "unpinned"
	}
	pipes := "no pipes"
	if b.Pipes > 0 {
		quota := ""
		if b.PipeQuota > 0 {
			quota = " of pipe-user-pages-soft " + size(b.PipeQuota)
		}
		pipes = fmt.Sprintf("%s of %s (%s%s)", count(b.Pipes, "pipe"), size(int64(b.PipeSize)), size(b.PipeBytes), quota)
	}
	return fmt.Sprintf("plan: %s, cpus %s, %s, %d of %d descriptors, %s, client table %s %s, memory at most %s (%s while all are idle)",
		count(b.Loops, "loop"), cpus, count(b.MaxConns, "connection"), b.Descriptors, b.Nofile, pipes, count(b.Clients, "slot"), size(b.TableBytes),
		size(b.MostBytes), size(b.IdleBytes))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// size writes bytes in the largest unit that leaves at least 1, with one decimal unless it comes out even.
func size(bytes int64) string {
	for _, unit := range []struct {
		shift int
		name  string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if bytes >= 1<<unit.shift {
			text := strconv.FormatFloat(float64(bytes)/float64(int64(1)<<unit.shift), 'f', 1, 64)
			return strings.TrimSuffix(text, ".0") + " " + unit.name
		}
	}
	return strconv.FormatInt(bytes, 10) + " B"
}

// pipeQuota reads fs.pipe-user-pages-soft, which counts pages; 0 if it cannot be read, and if it is 0, which lifts the quota.
func pipeQuota(path string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pages, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return 0
	}
	return max(0, pages) * int64(os.Getpagesize())
}
