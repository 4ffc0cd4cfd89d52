// Package config reads pen's command line into plain data and does the arithmetic of the start-up plan.
//
// Parse is pure but for the names of services: it opens nothing and asks no resolver. Whatever it returns has been checked, so that the rest of the house may believe it.
// Host names are looked up by Resolve, which may take as long as the resolver does.
package config

import "time"

// Options is one command line: checked, plain data. Times of 0 and counts of 0 mean what the flag's own line in the usage text says.
type Options struct {
	// addresses; Resolve fills in what Parse could not know
	Listen    Listen   // the zero value if none was given: see HasListen
	Servers   []Server // none only if the commands or the file may add some
	Emergency *Server  // nil = none
	Abuse     *Server  // for clients that client_acl denies; nil = none

	// which server a client gets
	RoundRobin bool
	Weight     bool
	Prio       bool
	LeastConn  bool
	Hash       bool // also set by --pen-hash
	PenHash    bool
	Stubborn   bool
	Clients    int           // client table slots
	Tracking   time.Duration // 0 = a client is never forgotten
	Prefix     TrackPrefix
	Blacklist  time.Duration

	// connections
	MaxConns          int
	ConnectTimeout    time.Duration
	FirstByteTimeout  time.Duration // 0 = never, and of the next four
	IdleTimeout       time.Duration
	HalfClosedTimeout time.Duration
	StallTimeout      time.Duration
	Lifetime          time.Duration
	AcceptRate        AcceptRate
	Queue             int           // clients that may wait for a server; 0 = none
	QueueTimeout      time.Duration // how long each may
	OnNoServer        string        // "accept", "reset" or "close-listener"
	Backlog           int
	AcceptBatch       int
	Nagle             bool
	Keepalive         time.Duration // 0 = off; whole seconds, as the kernel counts them
	UserTimeout       time.Duration // 0 = off; whole milliseconds, as the kernel counts them
	Congestion        string        // "auto", "system" or the name of an algorithm
	Forwarded         bool          // X-Forwarded-For and X-Forwarded-Proto
	GeoIP             string        // the MaxMind database that country rules need; "" = none

	// what one client may have
	ClientConns  int    // 0 = any number
	ClientRate   string // as affinity.Rate reads it, which knows what is wrong with it; "0" = any
	ClientLimit  string // "reject", "tarpit" or "abuse"
	ClientExempt int    // number of an access list; -1 = none
	TarpitTime   time.Duration
	TarpitMax    int // 0 = a tenth of the connections that may be open

	// moving bytes
	Splice   string // "auto", "always" or "never"
	PipeSize int    // bytes, a power of two
	Pipes    int    // of the whole process

	// loops
	Loops        int    // 0 = one for each CPU allowed to the process
	CPUs         string // "" = no pinning, "auto", or a list whose form has been checked: see ParseCPUs
	Steer        string // "off", "cpu" or "client"
	Shortcuts    string // "on" or "off"
	SendBatch    string // "on" or "off"
	ReuseSockets string // "on" or "off"
	Poller       string // "raw" or "gnet"

	// health checks
	Check         string // "tcp", "http:/path" or "off"
	CheckInterval time.Duration
	CheckTimeout  time.Duration
	Rise, Fall    int

	// control
	Control      string   // where the control port listens: "[host:]port" or a path whose form has been checked; "" = nowhere
	ConfigFile   string   // of control commands; "" = none
	Commands     []string // control commands, to be run in this order once everything else here is in force: see Parse
	ControlFiles []string // directories that commands from the control port may read and write, as they were written
	AllowExit    bool     // the command "exit" works

	// logs and statistics
	AccessLog string // a file, "stderr" or "-", "syslog", "journald", or the "host:port" of a penlogd: it has a ':' and no leading '/'; "" = none
	LogFormat string // "pen", "json" or "logfmt"
	WebStats  string // the file of the status page; "" = none
	Web       string // where the page is served, host:port, the port a number; "" = nowhere
	WebToken  string // the file of the word that the page wants of who acts; "" = nobody may
	Ascii     bool   // dumps of what is carried are in ASCII

	// the process
	Foreground bool
	Debug      int    // how many times -d was given
	PidFile    string // "" = none
	User       string // "" = stay who we are
	Chroot     string // "" = none
	Seccomp    string // "on", "log" or "off"
	Landlock   string // "on" or "off"
	Caps       string // "drop" or "keep"
	Drain      time.Duration

	// Notices are lines for the operator about values that were changed to what is possible.
	Notices []string

	// the command line itself
	name string
	args []string

	// what the operator said rather than what was assumed: Budget changes only the latter
	maxConnsGiven bool
	pipesGiven    bool
}

// HasListen says whether the command line names where to listen. If it does not, the commands or the file of -F have to.
func (o *Options) HasListen() bool { return o.Listen.Network != "" }

// AcceptRate says how many connections are accepted a second, 0 as many as come, and how many at once, at least 1 of a rate.
type AcceptRate struct{ PerSecond, Burst int }

// TrackPrefix says how many leading bits of an address make one client: V4 in 1..32, V6 in 1..128.
type TrackPrefix struct{ V4, V6 uint8 }
