package config

import (
	"math"
	"time"

	"github.com/spf13/pflag"
)

// Bounds of the values. They keep a slip of the hand from becoming a table of a terabyte or a timer that overflows; none of them is meant to be met in use.
const (
	maxClients     = 100_000_000
	maxConns       = 10_000_000
	maxPipes       = 1_000_000
	maxList        = 9                                  // as many access lists as the control language has, from 0
	noList         = -1                                 // none of them
	maxLoops       = 1024                               // as many CPUs as the kernel's cpu_set_t can name
	maxClientConns = 65535                              // as many as a client's entry counts
	maxBatch       = 1_000_000                          // accepts in one go
	maxRate        = 1_000_000                          // accepts a second
	maxStreak      = 1000                               // probes in a row
	maxDebug       = 9                                  // times -d
	day            = 24 * time.Hour                     // for waits in which something is held back
	ages           = 1e9 * time.Second                  // for memories; thirty years
	maxIdle        = 32767 * time.Second                // MAX_TCP_KEEPIDLE of linux/tcp.h
	maxUserTime    = math.MaxInt32 / 1000 * time.Second // TCP_USER_TIMEOUT is an int of milliseconds
	minBacklog     = 50                                 // Pen raises less to this
	minBatch       = 1                                  // and this
)

// section is a group of flags with its heading in the usage text.
type section struct {
	title string
	flags *pflag.FlagSet
}

// define binds every flag to its place in o. The sections and the flags in them stand in the order of the usage text.
func define(o *Options, version *bool) []section {
	choosing := newSection("Which server a client gets")
	choosing.flag("roundrobin", "r", &o.RoundRobin, "take the servers in turn, do not use the memory of clients")
	choosing.flag("weight", "W", &o.Weight, "new clients by the servers' weights")
	choosing.flag("prio", "", &o.Prio, "new clients to the server with the lowest prio number that is up")
	choosing.flag("least-conn", "", &o.LeastConn, "new clients to the server with the fewest connections")
	choosing.flag("hash", "h", &o.Hash, "new clients by a consistent hash of their address (help is --help)")
	choosing.flag("pen-hash", "", &o.PenHash, "like -h, but placed as old Pen did: address modulo servers")
	choosing.flag("stubborn", "s", &o.Stubborn, "close if the chosen server fails, try no other")
	add(choosing, "emergency", "e", "SERVER", &o.Emergency, "", special, "used when every other server is out")
	add(choosing, "abuse", "B", "SERVER", &o.Abuse, "", special, "for clients that client_acl denies, instead of closing them")
	add(choosing, "blacklist", "b", "SEC", &o.Blacklist, "30", seconds(0, ages, time.Millisecond), "leave a server out after a failed connect")
	add(choosing, "clients", "c", "N", &o.Clients, "2048", wholeOrAsIs(&o.Clients, maxClients), "slots of the client table: how many clients are remembered")
	add(choosing, "tracking", "T", "SEC", &o.Tracking, "0", seconds(0, ages, time.Second), "forget a client so long after its last connection; 0 never")
	add(choosing, "track-prefix", "", "V4/V6", &o.Prefix, "32/128", prefix, "how many bits of an address are one client")

	conns := newSection("Connections")
	add(conns, "max-conns", "x", "N", &o.MaxConns, "500", wholeOrAsIs(&o.MaxConns, maxConns), "connections at once; if not given, lowered to what the descriptors allow")
	add(conns, "timeout", "t", "SEC", &o.ConnectTimeout, "5", seconds(time.Millisecond, day, time.Millisecond), "how long a server has to accept a connection")
	add(conns, "idle-timeout", "", "SEC", &o.IdleTimeout, "0", seconds(0, ages, time.Millisecond), "close a connection so long after its last byte; 0 never")
	add(conns, "first-byte-timeout", "", "SEC", &o.FirstByteTimeout, "0", seconds(0, ages, time.Millisecond), "close a connection whose client has sent nothing for so long; 0 never")
	add(conns, "half-closed-timeout", "", "SEC", &o.HalfClosedTimeout, "300", seconds(0, ages, time.Millisecond), "the same as --idle-timeout when one side has ended; 0 never")
	add(conns, "stall-timeout", "", "SEC", &o.StallTimeout, "120", seconds(0, ages, time.Millisecond), "reset a connection that one side has taken none of its waiting bytes from for so long; 0 never")
	add(conns, "lifetime", "", "SEC", &o.Lifetime, "0", seconds(0, ages, time.Millisecond), "close a connection so long after it began; 0 never")
	add(conns, "accept-rate", "", "N[:BURST]", &o.AcceptRate, "0", acceptRate, "connections accepted a second, over all loops, and at once (a tenth of that); others wait; 0 any")
	add(conns, "queue", "", "N", &o.Queue, "0", whole(0, maxConns), "clients that may wait for a server while all are at their limits; with 0 they are closed")
	add(conns, "queue-timeout", "", "SEC", &o.QueueTimeout, "10", seconds(time.Millisecond, day, time.Millisecond), "how long each of them may")
	add(conns, "on-no-server", "", "HOW", &o.OnNoServer, "accept", oneOf("accept", "reset", "close-listener"), "what a client meets when no server is to be had: accept (and close) it, reset it, or close-listener: while none is usable it is refused")
	add(conns, "backlog", "q", "N", &o.Backlog, "500", atMost(math.MaxInt32), "connections that may wait to be accepted, at least 50")
	add(conns, "accept-batch", "m", "N", &o.AcceptBatch, "100", atMost(maxBatch), "connections accepted before the others get a turn")
	conns.flag("nagle", "", &o.Nagle, "leave Nagle's algorithm on")
	add(conns, "keepalive", "", "SEC", &o.Keepalive, "60", seconds(0, maxIdle, time.Second), "silence before TCP keepalive probes, on both sides; 0 off")
	add(conns, "user-timeout", "", "SEC", &o.UserTimeout, "60", seconds(0, maxUserTime, time.Millisecond), "how long sent bytes may stay unacknowledged, on both sides; 0 off")
	add(conns, "congestion", "", "NAME", &o.Congestion, "auto", nonEmpty("auto, system or the name of an algorithm"), "TCP congestion control, on both sides; system: the system's; auto: that too, but none that paces (bbr) on loopback")
	conns.flag("forwarded", "H", &o.Forwarded, "add X-Forwarded-For and X-Forwarded-Proto to HTTP requests")
	add(conns, "geoip", "", "FILE", &o.GeoIP, "", nonEmpty("the name of a file"), "the MaxMind database that access lists of countries need")

	client := newSection("What one client may have")
	add(client, "client-conns", "", "N", &o.ClientConns, "0", whole(0, maxClientConns), "connections of one client at once; 0 any number")
	add(client, "client-rate", "", "RATE", &o.ClientRate, "0", nonEmpty("a rate, as in 20/s"), "new connections of one client: 20/s, 100/m or 5/h, with a burst as in 20/s:50; 0 any number")
	add(client, "client-limit", "", "HOW", &o.ClientLimit, "reject", oneOf("reject", "tarpit", "abuse"), "what a client over these gets: a reset, nothing for a while, or the abuse server")
	add(client, "client-exempt", "", "ACL", &o.ClientExempt, "none", listOrNone, "the number of the access list of clients that may have any number")
	add(client, "tarpit-time", "", "SEC", &o.TarpitTime, "30", seconds(100*time.Millisecond, day, time.Millisecond), "how long the tarpit holds a connection before it is reset")
	add(client, "tarpit-max", "", "N", &o.TarpitMax, "", whole(1, maxConns), "connections in the tarpit at once; if not given, a tenth of max-conns")

	moving := newSection("Moving bytes")
	add(moving, "splice", "", "MODE", &o.Splice, "auto", oneOf("auto", "always", "never"), "move bytes inside the kernel: auto (for bulk), always, never")
	add(moving, "pipe-size", "", "BYTES", &o.PipeSize, "512k", pipeSize, "what a splice pipe can hold: a power of two, 4k to 1m")
	add(moving, "pipes", "", "N", &o.Pipes, "128", whole(0, maxPipes), "pipes at most, shared out over the loops")

	loops := newSection("Loops and CPUs")
	add(loops, "loops", "", "N", &o.Loops, "0", whole(0, maxLoops), "event loops; 0 one for each CPU allowed")
	add(loops, "cpus", "", "LIST", &o.CPUs, "", cpus, "pin the loops to these CPUs, as in 0-3,8, or auto for all allowed")
	add(loops, "steer", "", "HOW", &o.Steer, "off", oneOf("off", "cpu", "client"), "give a connection to the loop on the CPU its packet came to (cpu), or to the same one for one client address (client); off leaves it to the kernel")
	add(loops, "send-batch", "", "on|off", &o.SendBatch, "on", oneOf("on", "off"), "make a turn's connects and sends in one system call (io_uring; raw poller)")
	add(loops, "reuse-sockets", "", "on|off", &o.ReuseSockets, "off", oneOf("on", "off"), "connect the sockets to servers again that short connections are done with")
	add(loops, "shortcuts", "", "on|off", &o.Shortcuts, "on", oneOf("on", "off"), "leave out system calls that a connection can do without")
	add(loops, "poller", "", "WHICH", &o.Poller, "raw", oneOf("raw", "gnet"), "how a loop waits: raw (our own) or gnet (the library's)")

	health := newSection("Health checks")
	add(health, "check", "", "WHAT", &o.Check, "tcp", check, "what is asked of each server: tcp (a connect), http:/path, off")
	add(health, "check-interval", "", "SEC", &o.CheckInterval, "2", seconds(10*time.Millisecond, day, time.Millisecond), "from one check of a server to the next")
	add(health, "check-timeout", "", "SEC", &o.CheckTimeout, "1", seconds(time.Millisecond, day, time.Millisecond), "how long a check may take")
	add(health, "rise", "", "N", &o.Rise, "2", whole(1, maxStreak), "good checks in a row that bring a server back")
	add(health, "fall", "", "N", &o.Fall, "3", whole(1, maxStreak), "bad checks in a row that take a server out")

	control := newSection("Control")
	add(control, "control", "C", "ADDR", &o.Control, "", controlPort, "take control commands at [host:]port or the path of a Unix socket")
	add(control, "config", "F", "FILE", &o.ConfigFile, "", nonEmpty("the name of a file"), "control commands, one a line; read again on HUP")
	add(control, "command", "O", "CMD", &o.Commands, "", repeated(&o.Commands, command), "run a control command; may be repeated, and flags after it hold over it; -o is the same")
	control.letter("o", "CMD", control.flags.Lookup("command").Value, "the same as -O")
	add(control, "control-files", "", "DIR", &o.ControlFiles, "", repeated(&o.ControlFiles, directory), "let commands from the control port read and write files there; may be repeated")
	control.flag("allow-exit", "X", &o.AllowExit, "let the command exit end the process")

	logs := newSection("Logs and statistics")
	add(logs, "log", "l", "DEST", &o.AccessLog, "", logDest, "log requests to a file, stderr (or -), syslog, journald, or to the penlogd at host:port")
	add(logs, "log-format", "", "FORMAT", &o.LogFormat, "pen", oneOf("pen", "json", "logfmt"), "pen: a line for each request; json, logfmt: one for each connection that ends, with times, bytes and cause")
	add(logs, "web-stats", "w", "FILE", &o.WebStats, "", nonEmpty("the name of a file"), "write the status page there when asked to (USR1)")
	add(logs, "web", "", "ADDR", &o.Web, "", webAddress, "serve the live page, its JSON and /metrics at [host:]port; without a host on loopback only")
	add(logs, "web-token", "", "FILE", &o.WebToken, "", nonEmpty("the name of a file"), "let whoever has the word in it act on the page; without it the page is read only")
	logs.flag("ascii", "a", &o.Ascii, "dump what is carried in ASCII")

	process := newSection("The process")
	process.flag("foreground", "f", &o.Foreground, "stay in the foreground, log to stderr instead of syslog")
	add(process, "debug", "d", "count", &o.Debug, "", counter(&o.Debug, maxDebug), "``log more; may be repeated") // the empty quotes: it needs no value
	process.flags.Lookup("debug").NoOptDefVal = "+1"
	add(process, "pidfile", "p", "FILE", &o.PidFile, "", nonEmpty("the name of a file"), "write the process id there")
	add(process, "user", "u", "NAME", &o.User, "", nonEmpty("the name or number of a user"), "become that user once the port is open")
	add(process, "chroot", "j", "DIR", &o.Chroot, "", nonEmpty("the name of a directory"), "make it the root directory once the port is open")
	add(process, "seccomp", "", "HOW", &o.Seccomp, "off", oneOf("on", "log", "off"), "system calls that a balancer has no use for are refused (on) or made and logged by the kernel (log)")
	add(process, "landlock", "", "on|off", &o.Landlock, "off", oneOf("on", "off"), "no files but in the directories of those named here")
	add(process, "caps", "", "HOW", &o.Caps, "drop", oneOf("drop", "keep"), "what becomes of the capabilities that the other flags need none of")
	add(process, "drain", "", "SEC", &o.Drain, "10", seconds(0, day, time.Millisecond), "how long connections may finish when asked to stop")
	process.flag("version", "", version, "print the version")

	return []section{choosing, conns, client, moving, loops, health, control, logs, process, obsoleteSection(o)}
}

func newSection(title string) section {
	flags := pflag.NewFlagSet(title, pflag.ContinueOnError)
	flags.SortFlags = false
	return section{title, flags}
}

// flag defines a flag without a value.
func (s section) flag(name, short string, to *bool, usage string) {
	s.flags.BoolVarP(to, name, short, false, usage)
}

// letter defines a flag that has no long name. Pflag needs one: it gets one that nobody can type. Hidden is how the others know it.
func (s section) letter(short, placeholder string, v pflag.Value, usage string) {
	f := s.flags.VarPF(v, "-"+short, short, usage)
	f.Hidden = true
	if placeholder == "" {
		f.NoOptDefVal = "true"
	}
}

// add defines a flag with a value, called placeholder in the usage text. The initial text is parsed like the operator's, so that a default cannot be out of its own range; "" leaves T's zero value.
func add[T any](s section, name, short, placeholder string, to *T, initial string, parse func(string) (T, error), usage string) {
	v := &value[T]{to: to, placeholder: placeholder, parse: parse}
	if initial != "" {
		if err := v.Set(initial); err != nil {
			panic("default of --" + name + " " + err.Error())
		}
	}
	s.flags.VarP(v, name, short, usage)
}
