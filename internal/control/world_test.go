package control

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"pen/affinity"
	"pen/internal/backend"
	"pen/internal/balance"
	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// epoch is the time of the tests, unix ns.
const epoch = int64(1_700_000_000_000_000_000)

// fakeWorld is a process without traffic.
type fakeWorld struct {
	// constant during a test
	hosts       map[string]string
	connections []Connection
	clients     []Client
	page        string
	commandLine string
	refuse      error // of Apply
	forecast    *balance.Simulation

	slots *backend.Slots

	mu sync.Mutex
	// guarded by mu
	applied  []*State
	closed   []int
	exits    int
	settled  int
	supposed []balance.Supposition
}

func newWorld() *fakeWorld {
	return &fakeWorld{slots: backend.NewSlots(), forecast: new(balance.Simulation), commandLine: "pen 21001 127.0.0.1:21011", hosts: map[string]string{"localhost": "127.0.0.1", "www1": "10.0.0.1", "six": "2001:db8::6"}}
}

func (w *fakeWorld) Claim(identity string) (backend.ID, error) { return w.slots.Claim(identity) }
func (w *fakeWorld) Suppose() func(string) (backend.ID, error) { return w.slots.Suppose() }
func (w *fakeWorld) Slot(id backend.ID) *backend.Slot          { return w.slots.Get(id) }
func (w *fakeWorld) Now() int64                                { return epoch }

func (w *fakeWorld) Resolve(host string) (netip.Addr, error) {
	if text, ok := w.hosts[host]; ok {
		return netip.MustParseAddr(text), nil
	}
	return netip.Addr{}, errors.New("no such host")
}

func (w *fakeWorld) Apply(current, updated *State) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return w.refuse
	}
	if p := updated.Published(); len(p.Servers) > 0 {
		if err := p.Validate(); err != nil {
			panic(err) // the interpreter is to have seen to it
		}
	}
	w.applied = append(w.applied, updated)
	return nil
}

func (w *fakeWorld) Settle() { w.mu.Lock(); w.settled++; w.mu.Unlock() }

func (w *fakeWorld) Connections(yield func(Connection) bool) {
	for _, c := range w.connections {
		if !yield(c) {
			return
		}
	}
}

func (w *fakeWorld) CloseConnection(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.connections {
		if c.Number == n {
			w.closed = append(w.closed, n)
			return true
		}
	}
	return false
}

func (w *fakeWorld) Clients(yield func(Client) bool) {
	for _, c := range w.clients {
		if !yield(c) {
			return
		}
	}
}

func (w *fakeWorld) Explain(c balance.Client) (*balance.Explanation, error) {
	return &balance.Explanation{Steps: []balance.Step{
		{Topic: balance.TopicHome, Text: "none"}, {Topic: balance.TopicAnswer, Server: 2, OK: true, Text: fmt.Sprintf("server 2 for %v", c.Addr)},
	}}, nil
}

func (w *fakeWorld) Simulate(then balance.Supposition) (*balance.Simulation, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.supposed = append(w.supposed, then)
	return w.forecast, nil
}

func (w *fakeWorld) IdlersOpen() int { return 1 }
func (w *fakeWorld) Closes(yield func(string) bool) {
	for _, l := range []string{"cause=idle", "cause=denied", "cause=limit"} {
		if !yield(l) {
			return
		}
	}
}
func (w *fakeWorld) StatusPage() ([]byte, error) { return []byte(w.page), nil }
func (w *fakeWorld) Exit()                       { w.mu.Lock(); w.exits++; w.mu.Unlock() }
func (w *fakeWorld) ControlAddress() string      { return "127.0.0.1:21999" }
func (w *fakeWorld) CommandLine() string         { return w.commandLine }

func (w *fakeWorld) count() (applied, exits int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.applied), w.exits
}

// elsewhere is a database that knows no country.
type elsewhere struct{}

func (elsewhere) Country(netip.Addr) string { return "" }

// pens is the state of a Pen with its defaults, and ours where Pen has none.
func pens() State {
	return State{
		Plan: balance.Plan{
			Countries: elsewhere{}, BlacklistTime: 30 * time.Second, Prefix: affinity.Prefix{V4: 32, V6: 128}, MaxConns: 500, ConnectTimeout: 3 * time.Second, QueueTimeout: 10 * time.Second,
		},
		ClientsMax: 2048, PendingMax: 100, Listen: "127.0.0.1:21001",
	}
}

// farm is an interpreter that has started, with the servers of the specs, as of the command line.
func farm(t testing.TB, w *fakeWorld, cfg Config, specs ...string) *Interpreter {
	t.Helper()
	initial := pens()
	reader := New(w, initial, cfg).edit(Trusted)
	for i, text := range specs {
		server, err := reader.parseSpec(text)
		if err != nil {
			t.Fatalf("server %d: %v", i, err)
		}
		initial.Plan.Servers = append(initial.Plan.Servers, server)
	}
	in := New(w, initial, cfg)
	if err := in.Start(); err != nil {
		t.Fatal(err)
	}
	return in
}

// do runs commands that must not fail and returns the replies.
func do(t testing.TB, in *Interpreter, lines ...string) string {
	t.Helper()
	var all strings.Builder
	for _, line := range lines {
		reply, err := in.Do(line, Trusted)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all.WriteString(reply)
	}
	return all.String()
}

// fails runs a command that must fail with an error that has the words in it.
func fails(t testing.TB, in *Interpreter, line string, origin Origin, words ...string) {
	t.Helper()
	_, err := in.Do(line, origin)
	if err == nil {
		t.Errorf("%s: no error", line)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: error %q, want %q in it", line, err, word)
		}
	}
}

func equal(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

var _ World = (*fakeWorld)(nil)
