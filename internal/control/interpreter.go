package control

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"pen/internal/backend"
	"pen/internal/balance"
)

// Config is what the command line says about the language itself.
type Config struct {
	File   string       // the -F file, which `write` without a name writes; "" = none
	Dirs   []string     // --control-files: the directories, absolute paths, that commands from the network may name files under
	Exit   bool         // -X: `exit` works
	Try    bool         // the commands are only tried: `write` checks that it could be asked, and writes nothing
	Output io.Writer    // where replies to lines of files and of -O go, as Pen's go to its standard output; nil = nowhere
	Log    *slog.Logger // what an operator should know of commands that are obeyed; nil = nowhere
}

// Origin says how far a command is trusted with files.
type Origin uint8

const (
	Network  Origin = iota // may name files under Config.Dirs only
	Trusted                // the operator: -O, the -F file, a Unix socket of the same user. May name any file
	Onlooker               // whoever sees the page: may name no file, and no host to be looked up
)

// Interpreter runs the commands, one at a time. All methods are safe for concurrent use.
type Interpreter struct {
	// constant after New
	world World
	cfg   Config

	// atomic: written under mu. What it points to is never written to
	state atomic.Pointer[State]

	mu sync.Mutex
	// guarded by mu
	started bool
}

// New returns an interpreter whose state is a copy of initial. Until Start nothing is applied.
// A server needs a name and an address there; its slot may be claimed already or left to Start.
func New(world World, initial State, cfg Config) *Interpreter {
	if cfg.Output == nil {
		cfg.Output = io.Discard
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	in := &Interpreter{world: world, cfg: cfg}
	s := initial.clone()
	in.state.Store(&s)
	return in
}

// State returns a copy of the state in force. It does not wait for a command that is under way.
func (in *Interpreter) State() State { return in.state.Load().clone() }

// Start says that the process now runs by the state in force: from now on a change is applied, and the tables only grow.
// Servers of the initial state that have no slot yet have one claimed. The error says what keeps the state from being published; that it has no server yet does not.
func (in *Interpreter) Start() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	e := in.edit(Trusted)
	e.dirty = true
	if err := e.commit(); err != nil {
		return err
	}
	in.started = true
	return nil
}

// Do runs one command and returns Pen's reply to it. The error is the verdict: a command that Pen would have passed over in silence, or obeyed in part, has one.
// It may take as long as a name look-up and as World.Apply.
func (in *Interpreter) Do(line string, origin Origin) (reply string, err error) {
	args := split(line)
	w, err := lookUp(args)
	if w == nil {
		return ignoring(args), err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	e := in.edit(origin)
	if w.set != nil {
		err = w.set(e, args)
	}
	if failed := e.commit(); failed != nil {
		err = failed
	}
	if w.ask != nil {
		var failed error
		if reply, failed = w.ask(in, origin, args); err == nil {
			err = failed
		}
	}
	if w.get != nil {
		reply = w.get(in.state.Load())
	}
	if err == nil {
		return reply, nil
	}
	if said := (*refusal)(nil); errors.As(err, &said) {
		reply = said.reply
	}
	return reply, fmt.Errorf("%s: %w", args[0], err)
}

// refusal is the error of a setting that Pen has words for.
type refusal struct {
	reply string
	error
}

// Batch runs the commands of -O in their order, as the operator. A command that fails does not keep the others from being run; the error names all that did.
func (in *Interpreter) Batch(lines ...string) error {
	var all []error
	for _, line := range lines {
		reply, err := in.Do(line, Trusted)
		if err != nil {
			all = append(all, fmt.Errorf("command %q: %w", line, err))
		}
		if _, err := io.WriteString(in.cfg.Output, reply); err != nil {
			all = append(all, fmt.Errorf("reply to command %q: %w", line, err))
		}
	}
	return together(all)
}

// several is more than one error at once, told in one line: what a log, a terminal and a reply have for an error.
type several []error

func (all several) Error() string {
	var texts []string
	for _, err := range all {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, "; ")
}

func (all several) Unwrap() []error { return all }

// together is all errors in one; nil if there are none.
func together(all []error) error {
	if len(all) == 0 {
		return nil
	}
	return several(all)
}

// Load runs the lines of a file, as the operator. All of it, with what it includes, is one step: the first word that fails is the error,
// which names the file and the line, and nothing has changed. A file that cannot be read is an error that wraps the reason, such as fs.ErrNotExist.
func (in *Interpreter) Load(file string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	e := in.edit(Trusted)
	if err := e.include(file); err != nil {
		return err
	}
	if err := e.commit(); err != nil {
		return fmt.Errorf("apply %s: %w", file, err)
	}
	return nil
}

// edit is a step under way: one command, or one file with all that it includes.
type edit struct {
	in     *Interpreter
	origin Origin
	state  State // the copy that is worked on
	dirty  bool  // it has been written to
	files  int   // how deep in includes
	slots  []slotEdit
	later  []func() // queries of a file, and its replies, for when it is in force

	outages map[int]bool // of a simulation: servers by number, whether nobody can connect to them; else nil
}

// slotEdit is a change to what is known of a server rather than to the state. It is made once the state is in force, when every server has its slot.
type slotEdit struct {
	server int // its number, as Pen's; see State.server
	change func(*backend.Slot)
}

func (in *Interpreter) edit(origin Origin) *edit {
	return &edit{in: in, origin: origin, state: in.state.Load().clone()}
}

// commit puts the edit in force, or returns an error and has changed nothing.
func (e *edit) commit() error {
	in := e.in
	if e.dirty {
		if err := e.state.identify(in.world.Claim); err != nil {
			return err
		}
		if err := e.state.validate(); err != nil {
			return err
		}
		if in.started {
			if err := in.world.Apply(in.state.Load(), &e.state); err != nil {
				return err
			}
		}
		in.state.Store(&e.state)
	}
	for _, s := range e.slotEdits() {
		s.Change(in.world.Slot(s.ID))
	}
	for _, do := range e.later {
		do()
	}
	return nil
}

// slotEdits is what to change about those servers that there are. The state knows their slots by then.
func (e *edit) slotEdits() (list []balance.SlotEdit) {
	for _, s := range e.slots {
		if v := e.state.server(s.server); v != nil && v.ID != backend.None {
			list = append(list, balance.SlotEdit{ID: v.ID, Change: s.change})
		}
	}
	return list
}

// split takes a line apart as Pen does: at spaces, after cutting it at the first NUL, CR or LF.
func split(line string) []string {
	if i := strings.IndexAny(line, "\x00\r\n"); i >= 0 {
		line = line[:i]
	}
	return strings.FieldsFunc(line, func(r rune) bool { return r == ' ' })
}
