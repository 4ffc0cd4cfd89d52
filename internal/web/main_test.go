package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const secret = "0123456789abcdef0123456789abcdef"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// farm is a World of three servers, an emergency server and as many clients as are asked for.
type farm struct {
	clients int
	refuses bool          // every command
	hold    chan struct{} // a simulation takes one when it begins and one before it ends; closed: none waits

	mu       sync.Mutex
	figures  Figures  // guarded by mu
	commands []string // guarded by mu
	samples  int      // guarded by mu
	asked    int      // guarded by mu: for the last endings
}

func newFarm() *farm {
	var t account.Totals
	for i := range t.Counts {
		t.Counts[i] = uint64(1000 + i)
	}
	for i := range t.Ended {
		t.Ended[i] = uint64(2000 + i)
	}
	t.Live, t.Queued = 3, 2
	counted := account.ServerTotals{Connects: account.Times{Sum: 9 * time.Millisecond}, FirstByte: account.Times{Sum: time.Second}}
	counted.Ended[account.ServerFin], counted.Connects.Classes[1], counted.Connects.Classes[4], counted.FirstByte.Classes[len(Bounds)] = 1500, 8, 3, 1
	server := func(n int, name string, out ...string) Server {
		return Server{Number: n, Name: name, Address: "10.0.0.1:80", Usable: len(out) == 0, Out: append([]string{}, out...), Connections: 1, Soft: 5, Hard: 7, Weight: 2, Connects: 11, Failures: 1, BytesUp: 100, BytesDown: 4000,
			Checks: Checks{Passed: 70, Failed: 2, Void: 1, Last: .00025}, Tally: NewTally(&counted)}
	}
	cpu := 1
	f := &farm{clients: 3, hold: make(chan struct{}), figures: Figures{
		Time: noon, Started: noon.Add(-time.Hour), Version: "v1 go1", Listen: "80", Ready: true,
		Totals: NewTotals(t, 500), Servers: []Server{server(0, "www1:80"), server(1, "<b>www2</b>:80", Drained), server(2, "/run/\xff.sock", ProbeDown, Shunned), server(-1, "sorry:80")},
		Others: []Other{{"", NewTally(new(account.ServerTotals))}, {"gone:80", NewTally(&counted)}}, TimeBounds: Bounds, LogDropped: 6,
		Clients: Table{Known: 3, Slots: 2048, Evicted: 4, Bytes: 163840}, Loops: Loops{Count: 2, CPUs: []int{0, 1}, Poller: "raw", PipesOpen: 2, PipesMost: 128, PipeSize: 524288,
			Each: []Loop{NewLoop(0, nil, &t), NewLoop(1, &cpu, new(account.Totals))}},
		Listening: Listening{Waiting: 12, Most: 15, Overflows: 17, Drops: 16},
	}}
	close(f.hold)
	f.figures.Servers[2].OutUntil, f.figures.Servers[2].LastFailure = noon.Add(time.Minute), noon
	return f
}

func (f *farm) Figures() Figures {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.samples++
	return f.figures
}

func (f *farm) change(to func(*Figures)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	to(&f.figures)
}

func (f *farm) sampled() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.samples
}

func (f *farm) client(i int) Client {
	addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
	return Client{Address: addr.String(), Server: i % 3, LastSeen: noon.Add(time.Duration(i*7919%f.clients) * time.Second), Connects: uint32(i + 1), BytesUp: 5, BytesDown: 50}
}

func (f *farm) Client(addr netip.Addr) (Client, bool) {
	for i := range f.clients {
		if c := f.client(i); c.Address == addr.String() {
			return c, true
		}
	}
	return Client{}, false
}

func (f *farm) Clients(yield func(Client) bool) {
	for i := range f.clients {
		if !yield(f.client(i)) {
			return
		}
	}
}

func (f *farm) Connections() []Connection {
	var all []Connection
	for i := range 150 {
		all = append(all, Connection{Number: i, Client: "10.0.0.1:1234", Server: 1, PendingUp: i})
	}
	return all
}

func (f *farm) Explain(addr netip.Addr) ([]Step, error) {
	if addr.Is6() {
		return nil, errors.New("out of memory")
	}
	return []Step{{"home", "none"}, {"answer", "server 0 for " + addr.String()}}, nil
}

func (f *farm) Simulate(command string) (*balance.Simulation, error) {
	if command == "server 0 down" {
		<-f.hold
		<-f.hold
		one, two, nowhere := balance.Place{Number: 0, Name: "www1:80"}, balance.Place{Number: 1, Name: "<b>www2</b>:80"}, balance.Place{Number: balance.NoNumber}
		moves := slices.Repeat([]balance.Move{{From: one, To: two, Count: 1234}, {From: one, To: nowhere, Count: 1}}, 60)
		return &balance.Simulation{
			Clients: balance.Movement{Total: 3000, Moved: 1235, Moves: moves}, Connections: balance.Movement{Total: 7, Moved: 5, Moves: moves[:1]},
			Servers: []balance.Load{{Place: one, ClientsNow: 1235}, {Place: two, ClientsThen: 1234}, {Place: nowhere, ClientsThen: 1}},
		}, nil
	}
	return nil, errors.New("server: not that")
}

func (f *farm) Closes() []account.Trail {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	list := make([]account.Trail, 130)
	for i := range list {
		list[i] = account.Trail{
			Ended: noon.Add(time.Duration(i) * time.Second).UnixNano(), Client: netip.MustParseAddrPort("10.0.0.1:1234"), Server: "www1:80", Why: "hash", Cause: account.ServerReset,
			Errno: syscall.ECONNRESET, Number: i, Connected: time.Millisecond, FirstUp: account.Never, FirstDown: account.Never, Lasted: time.Second, Up: 1, Down: 2,
		}
	}
	return list
}

func (f *farm) Settings() []Group {
	return []Group{{"Connections", []Setting{{"listen", "80"}, {"max-conns", "500"}}}}
}

func (f *farm) Do(command string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuses {
		return "", errors.New("server: not now")
	}
	f.commands = append(f.commands, command)
	return "", nil
}

func (f *farm) did() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.commands, "; ")
}

// open is a window on a farm at a port of its own, which is closed when the test ends.
func open(t *testing.T, world World, token string, conns int) (base string, s *Window) {
	t.Helper()
	s, err := Open(Config{Address: "127.0.0.1:0", Token: token, Conns: conns, Log: slog.New(slog.DiscardHandler)}, world)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	t.Cleanup(func() {
		cancel()
		<-done
		http.DefaultClient.CloseIdleConnections()
	})
	return "http://" + s.Addr().String(), s
}

// ask has the window answer one request without a connection.
func ask(s *Window, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:8080"
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, r)
	return w
}

// shut is a window that listens nowhere.
func shut(world World, token string) *Window {
	s := newWindow(Config{Token: token, Conns: 10, Log: slog.New(slog.DiscardHandler)}, world)
	s.local = true
	return s
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
