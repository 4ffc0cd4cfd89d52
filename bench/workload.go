package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// unit is what a workload counts.
type unit string

const (
	connection unit = "connection"
	request    unit = "request"
	byteUnit   unit = "byte"
)

// shape is what a load client does, as told to it by JSON.
type shape struct {
	Driver  string  // key of drivers
	Conns   int     // connections at once; of a storm: begun at once
	Steady  int     // of a storm: connections of the load that goes on beside it
	Clients int     // client addresses they come from
	Up      uint32  // body bytes of an ask
	Down    uint32  // body bytes of an answer
	Window  int     // asks on their way at once on one connection
	HangUp  bool    // the server closes first
	Rate    float64 // requests per second that are due; 0: as many as are answered
}

// open is how many connections a proxy must be able to have open at once for it, with some to spare for its own questions.
func (s shape) open() int { return s.Conns + s.Steady + 100 }

// occasion is when a workload is measured.
type occasion int

const (
	always occasion = iota
	fully           // not with --quick, unless asked for
	named           // only when asked for by its own name, not by its family's
)

func (o occasion) String() string {
	return [...]string{"", "not with --quick", "only by name: it takes minutes"}[o]
}

// workload is one thing that is measured.
type workload struct {
	Name   string
	Family string
	Title  string
	Unit   unit
	Shape  shape
	X      float64 // where it stands on the curve that its family forms: clients known, or requests per second; 0: no curve
	When   occasion

	Known  int           // clients that the proxy knows before it is measured
	Share  float64       // of the peak rate, at which requests are sent; 0: as many as are answered. See runner.setRates
	Extra  time.Duration // what a measurement takes longer than others
	Memory bool          // it is about a proxy's memory, so that direct has no part in it
}

// suits says that a workload means something for a peer, and can be had from it in time.
func (w workload) suits(k *kind) bool {
	switch {
	case w.Memory:
		return k.argv != nil
	case w.Known > 0:
		return k.baseline || w.Known <= k.knows
	default:
		return true
	}
}

// fills says that clients must be made known to a peer before it.
func (w workload) fills(k *kind) bool { return w.Known > 0 && !k.baseline }

// An ask of 64 bytes and an answer of 256, headers included, stand for a small request: both fit one segment, and are small enough that the work is per message, not per byte.
const (
	smallUp   = 64 - headerSize
	smallDown = 256 - headerSize
)

const (
	// dialers is how many connections the connection workload has open at once: enough to keep a proxy busy on all CPUs, few enough that none waits long.
	dialers = 32
	// clientAddrs is how many addresses the load comes from, so that proxies that remember clients spread it over their servers and that no pair of addresses runs out of ports.
	clientAddrs = 256
	// bulkConns is more than the event loops of most machines, so that connections spread over them evenly enough.
	bulkConns  = 8
	bulkWindow = 4
	// steadyConns is how many connections the latency loads and the load beside a storm have, as the keep-alive load whose rate they are held against.
	steadyConns = 64
	idleCount   = 5000
	stormConns  = 2000
)

// workloads are all there are, in the order of the report.
var workloads = []workload{
	conn("conn-server-close", "connections per second, the server closes first", true).on(always),
	conn("conn-client-close", "connections per second, the client closes first", false).on(fully),
	keepalive(1).on(fully),
	keepalive(64).on(always),
	keepalive(1000).on(fully),
	bulk("bulk-down", "bulk throughput, servers to clients", 0, maxBody).on(always),
	bulk("bulk-up", "bulk throughput, clients to servers", maxBody, 0).on(fully),
	bulk("bulk-both", "bulk throughput, both ways at once", maxBody, maxBody).on(fully),
	{Name: "mixed", Family: "mixed", Unit: request,
		Title: fmt.Sprintf("requests per second, mixed: %d at a time connect, make %d small requests and one answered with %d KiB", dialers, mixSmall, maxBody>>10),
		Shape: shape{Driver: "mixed", Conns: dialers, Clients: clientAddrs, Up: smallUp, Down: smallDown, Window: 1}},
	latencyAt(25).on(fully),
	latencyAt(50).on(always),
	latencyAt(75).on(fully),
	{Name: "idle", Family: "idle", Unit: connection, Memory: true, Extra: time.Second,
		Title: "memory that grows with connections that stand open, used once each (what was taken at the start shows in RSS)",
		Shape: shape{Driver: "idle", Conns: idleCount, Clients: clientAddrs, Up: smallUp, Down: smallDown, Window: 1}},
	known(1_000, "1k").on(fully),
	known(100_000, "100k").on(fully),
	known(1_000_000, "1m").on(fully),
	known(10_000_000, "10m").on(named),
	{Name: "storm", Family: "storm", Unit: request, Extra: time.Second,
		Title: fmt.Sprintf("a storm of %d connections at once beside requests on %d keep-alive connections (rate: of these, storm included)", stormConns, steadyConns),
		Shape: shape{Driver: "storm", Conns: stormConns, Steady: steadyConns, Clients: clientAddrs, Up: smallUp, Down: smallDown, Window: 1, HangUp: true}},
}

func (w workload) on(o occasion) workload {
	w.When = o
	return w
}

func conn(name, title string, hangUp bool) workload {
	return workload{Name: name, Family: "conn", Title: fmt.Sprintf("%s (one request each, %d at a time)", title, dialers), Unit: connection,
		Shape: shape{Driver: "conn", Conns: dialers, Clients: clientAddrs, Up: smallUp, Down: smallDown, Window: 1, HangUp: hangUp}}
}

func keepalive(conns int) workload {
	plural := "s"
	if conns == 1 {
		plural = ""
	}
	return workload{Name: fmt.Sprintf("keepalive-%d", conns), Family: "keepalive", Title: fmt.Sprintf("requests per second on %d keep-alive connection%s", conns, plural), Unit: request,
		Shape: shape{Driver: "keepalive", Conns: conns, Clients: clientAddrs, Up: smallUp, Down: smallDown, Window: 1}}
}

func bulk(name, title string, up, down uint32) workload {
	return workload{Name: name, Family: "bulk", Title: fmt.Sprintf("%s (%d connections)", title, bulkConns), Unit: byteUnit,
		Shape: shape{Driver: "bulk", Conns: bulkConns, Clients: clientAddrs, Up: up, Down: down, Window: bulkWindow}}
}

// latencyAt sends at a share, in percent, of the peak rate. Its title is completed with the rate when that is known.
func latencyAt(percent int) workload {
	return workload{Name: fmt.Sprintf("latency-%d", percent), Family: "latency", Unit: request, Share: float64(percent) / 100, Extra: settleLimit / 4,
		Title: fmt.Sprintf("latency at %d %% of the best peer's peak rate, from the instant a request was due, on %d connections", percent, steadyConns),
		Shape: shape{Driver: "latency", Conns: steadyConns, Clients: clientAddrs, Up: smallUp, Down: smallDown, Window: 1}}
}

// known is the connection workload against a proxy that knows so many clients, from any of which the connections come.
func known(clients int, short string) workload {
	w := conn("clients-"+short, fmt.Sprintf("connections per second with %s known clients", grouped(int64(clients))), true)
	w.Family, w.Known, w.X, w.Shape.Clients = "clients", clients, float64(clients), clients
	return w
}

// selectWorkloads returns those named in only, by family or name, in the order of workloads; when only is empty all that are measured every time, and if not quick those of a full
// run too.
func selectWorkloads(only []string, quick bool) ([]workload, error) {
	var names []string
	for _, w := range workloads {
		names = append(names, w.Name)
		if !slices.Contains(names, w.Family) {
			names = append(names, w.Family)
		}
	}
	for _, name := range only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("--only %q: want some of %s", name, strings.Join(names, ", "))
		}
	}
	var chosen []workload
	for _, w := range workloads {
		family := slices.Contains(only, w.Family) && w.When != named
		unasked := len(only) == 0 && (w.When == always || w.When == fully && !quick)
		if slices.Contains(only, w.Name) || family || unasked {
			chosen = append(chosen, w)
		}
	}
	return chosen, nil
}
