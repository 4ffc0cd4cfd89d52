package main

import (
	"context"
	"fmt"
	"path/filepath"
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
	// argv is the command line that makes a proxy do the task in the foreground. Nil: there is no proxy.
	argv func(p *peer, t task) ([]string, error)
	// takesFlags says that the words after the name are flags for the binary.
	takesFlags bool
	// deathSignal as in command.
	deathSignal syscall.Signal
}

// task is what a proxy is started for.
type task struct {
	Dir     string // for files that it needs
	Listen  string
	Servers []string // to balance over
	Family  string   // of the workload, for peers whose best setting depends on it
}

// program is an installed program.
type program struct {
	Path    string
	Version string
	Commit  string // of the source, where the binary tells
}

var kinds = []kind{
	{name: "pen", what: "default settings, but for flags given with it", find: penNotBuilt, argv: penArgv, takesFlags: true},
	{name: "direct", what: "no proxy: clients connect to the servers", find: func() (program, error) { return program{}, nil }},
	{name: "haproxy", what: "HAProxy, tcp mode, 2 threads, stick table; splicing always for bulk, by its own judgement else", find: findHAProxy, argv: haproxyArgv},
	{name: "nginx", what: "nginx stream, consistent hash of the client address, 2 workers", find: findNginx, argv: nginxArgv, deathSignal: syscall.SIGTERM},
	{name: "oldpen", what: "Ulric Eriksson's Pen as Debian has it, with -P (PEN.md B1)", find: findOldPen, argv: oldPenArgv},
}

// threads is how many threads or workers the peers that want a number are given.
const threads = 2

// maxConns is how many connections each proxy is set to allow: more than any workload opens, and not more than 4096 descriptors can hold.
const maxConns = 2000

var defaultPeers = []string{"pen", "direct", "haproxy", "nginx", "oldpen"}

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

// findPeers finds the binaries of the peers asked for, and builds pen if it is among them. What is missing is an error only if it was asked for by name.
func findPeers(ctx context.Context, o *options, dir string, progress *progress) (found []*peer, missing []missingPeer, err error) {
	var pen program
	for _, s := range o.peers {
		p := &peer{spec: s}
		switch {
		case s.Kind.name != "pen":
			p.program, err = s.Kind.find()
		case pen.Path == "":
			progress.Say("building pen")
			pen, err = getPen(ctx, o.pen, filepath.Join(dir, "pen"))
			if err != nil {
				return nil, nil, err
			}
			p.program = pen
		default:
			p.program = pen
		}
		switch {
		case err == nil:
			found = append(found, p)
		case o.chosen:
			return nil, nil, fmt.Errorf("peer %s: %w", s.Label, err)
		default:
			missing, err = append(missing, missingPeer{s.Label, err.Error()}), nil
		}
	}
	return found, missing, nil
}
