package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
)

// kind is one sort of peer: how it is found, and how it is told what to do.
type kind struct {
	name string
	what string
	// find returns the binary, or an error that names what to install.
	find func() (program, error)
	// build makes the binary in a folder. Nil: find returns one that is ready.
	build func(ctx context.Context, o *options, dir string) (program, error)
	// argv is the command line that makes a proxy do the task in the foreground. Nil: there is no proxy.
	argv func(p *peer, t task) ([]string, error)
	// takesFlags says that the words after the name are flags for the binary.
	takesFlags bool
	// baseline says that it is no proxy that anyone would choose, but something to hold the others against.
	baseline bool
	// knows is how many clients at most its memory is filled with before a measurement: what it can hold, or as many as take seconds. Old Pen looks at all of them for each connection.
	knows int
	// deathSignal as in command.
	deathSignal syscall.Signal
}

// task is what a proxy is started for.
type task struct {
	Dir     string // for files that it needs
	Listen  string
	Servers []string // to balance over
	Family  string   // of the workload, for peers whose best setting depends on it
	Conns   int      // connections that must be allowed; 0: maxConns
	Clients int      // clients that must be remembered; 0: as the peer does by default
}

// allowed is the number of connections to set a proxy to.
func (t task) allowed() int { return max(t.Conns, maxConns) }

// slots is the size of the client table to set a proxy to: a quarter more than the clients it gets, so that none is pushed out because they fall unevenly on a table's parts.
func (t task) slots() int { return t.Clients + t.Clients/4 }

// program is an installed program.
type program struct {
	Path    string
	Version string
	Commit  string // of the source, where the binary tells
}

var kinds = []kind{
	{name: "pen", what: "default settings, but for flags given with it", find: penNotBuilt, build: getPen, argv: penArgv, takesFlags: true, knows: 10_000_000},
	{name: "direct", what: "no proxy: clients connect to the servers", find: func() (program, error) { return program{}, nil }, baseline: true},
	{name: "floor", what: "a minimal epoll relay in C (bench/floor), compiled here: the least work such a relay can do", find: floor.find, build: floor.compile, argv: floorArgv, baseline: true},
	{name: "ring", what: "the same on io_uring (bench/floor): what a relay takes that is told of bytes instead of descriptors", find: ring.find, build: ring.compile, argv: floorArgv, baseline: true},
	{name: "haproxy", what: "HAProxy, tcp mode, 2 threads, stick table; splicing always for bulk, by its own judgement else", find: findHAProxy, argv: haproxyArgv, knows: 100_000},
	{name: "nginx", what: "nginx stream, consistent hash of the client address, 2 workers", find: findNginx, argv: nginxArgv, deathSignal: syscall.SIGTERM},
	{name: "oldpen", what: "Ulric Eriksson's Pen as Debian has it, with -P (PEN.md B1)", find: findOldPen, argv: oldPenArgv, knows: 1000},
}

// threads is how many threads or workers the peers that want a number are given.
const threads = 2

// maxConns is how many connections each proxy is set to allow, but for the workloads that open more: not more than 4096 descriptors can hold.
const maxConns = 2000

// stormBacklog is how many connections may wait to be accepted, for those peers that are told a number: what Linux allows by default (net.core.somaxconn).
const stormBacklog = 4096

var defaultPeers = []string{"pen", "direct", "floor", "haproxy", "nginx", "oldpen"}

// spec is a peer as asked for: a kind, and flags for it.
type spec struct {
	Label string
	Kind  *kind
	Flags []string
}

// parseSpecs reads what --peer was given: "haproxy", "pen --splice never", and also "pen:--splice never".
func parseSpecs(words []string) ([]spec, error) {
	var specs []spec
	for _, word := range words {
		f := strings.Fields(word)
		if name, flag, ok := strings.Cut(word, ":"); ok && !strings.ContainsAny(name, " \t") {
			f = append([]string{name}, strings.Fields(flag)...)
		}
		if len(f) == 0 {
			return nil, fmt.Errorf("--peer: empty")
		}
		i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == f[0] })
		if i < 0 {
			return nil, fmt.Errorf("--peer %q: no such peer; want %s", word, kindNames())
		}
		if len(f) > 1 && !kinds[i].takesFlags {
			return nil, fmt.Errorf("--peer %q: only pen takes flags", word)
		}
		s := spec{strings.Join(f, " "), &kinds[i], f[1:]}
		if slices.ContainsFunc(specs, func(o spec) bool { return o.Label == s.Label }) {
			return nil, fmt.Errorf("--peer %q: given twice", word)
		}
		specs = append(specs, s)
	}
	return specs, nil
}

func kindNames() string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

// peer is something that can be measured. Constant after findPeers.
type peer struct {
	spec
	program
}

// direct says that there is no proxy to start.
func (p *peer) direct() bool { return p.Kind.argv == nil }

// missingPeer is a peer that cannot be measured here, and what would change that.
type missingPeer struct {
	Label string `json:"name"`
	Why   string `json:"why"`
}

// findPeers finds the binaries of the peers asked for, and builds those that are built, each once. What is missing is an error only if it was asked for by name.
func findPeers(ctx context.Context, o *options, dir string, progress *progress) (found []*peer, missing []missingPeer, err error) {
	built := map[*kind]program{}
	for _, s := range o.peers {
		p := &peer{spec: s}
		binary, have := built[s.Kind]
		switch {
		case have:
		case s.Kind.build == nil:
			binary, err = s.Kind.find()
		default:
			progress.Say("building " + s.Kind.name)
			binary, err = s.Kind.build(ctx, o, dir)
			built[s.Kind] = binary
		}
		p.program = binary
		switch {
		case err == nil:
			found = append(found, p)
		case o.chosen || s.Kind.takesFlags:
			return nil, nil, fmt.Errorf("peer %s: %w", s.Label, err)
		default:
			missing, err = append(missing, missingPeer{s.Label, err.Error()}), nil
		}
	}
	return found, missing, nil
}
