package main

import (
	"fmt"
	"slices"
	"strings"
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
	Driver  string // key of drivers
	Conns   int    // connections at once
	Clients int    // client addresses they come from
	Up      uint32 // body bytes of an ask
	Down    uint32 // body bytes of an answer
	Window  int    // asks on their way at once on one connection
	HangUp  bool   // the server closes first
}

// workload is one thing that is measured.
type workload struct {
	Name   string
	Family string
	Title  string
	Unit   unit
	Shape  shape
}

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
)

// workloads are all there are, in the order of the report.
var workloads = []workload{
	conn("conn-server-close", "connections per second, the server closes first", true),
	conn("conn-client-close", "connections per second, the client closes first", false),
	keepalive(1),
	keepalive(64),
	keepalive(1000),
	bulk("bulk-down", "bulk throughput, servers to clients", 0, maxBody),
	bulk("bulk-up", "bulk throughput, clients to servers", maxBody, 0),
	bulk("bulk-both", "bulk throughput, both ways at once", maxBody, maxBody),
}

func conn(name, title string, hangUp bool) workload {
	return workload{name, "conn", fmt.Sprintf("%s (one request each, %d at a time)", title, dialers), connection,
		shape{Driver: "conn", Conns: dialers, Clients: clientAddrs, Up: smallUp, Down: smallDown, Window: 1, HangUp: hangUp}}
}

func keepalive(conns int) workload {
	plural := "s"
	if conns == 1 {
		plural = ""
	}
	return workload{fmt.Sprintf("keepalive-%d", conns), "keepalive", fmt.Sprintf("requests per second on %d keep-alive connection%s", conns, plural), request,
		shape{Driver: "keepalive", Conns: conns, Clients: clientAddrs, Up: smallUp, Down: smallDown, Window: 1}}
}

func bulk(name, title string, up, down uint32) workload {
	return workload{name, "bulk", fmt.Sprintf("%s (%d connections)", title, bulkConns), byteUnit,
		shape{Driver: "bulk", Conns: bulkConns, Clients: clientAddrs, Up: up, Down: down, Window: bulkWindow}}
}

// selectWorkloads returns those named in only, by family or name, in the order of workloads; all of them when only is empty.
func selectWorkloads(only []string) ([]workload, error) {
	if len(only) == 0 {
		return workloads, nil
	}
	var known []string
	for _, w := range workloads {
		known = append(known, w.Name)
		if !slices.Contains(known, w.Family) {
			known = append(known, w.Family)
		}
	}
	for _, name := range only {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("--only %q: want some of %s", name, strings.Join(known, ", "))
		}
	}
	var chosen []workload
	for _, w := range workloads {
		if slices.Contains(only, w.Name) || slices.Contains(only, w.Family) {
			chosen = append(chosen, w)
		}
	}
	return chosen, nil
}
