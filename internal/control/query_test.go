package control

import (
	"net/netip"
	"testing"
	"time"
)

func TestQueries(t *testing.T) {
	w := newWorld()
	w.connections = []Connection{{Number: 0, State: 2, DownFD: 5, UpFD: 6}, {Number: 3, State: 1, DownFD: 7, UpFD: 8, Client: 2, Server: 1, Pending: 17}}
	w.clients = []Client{
		{Addr: netip.MustParseAddr("127.0.0.1"), Connects: 1, Sent: 10, Received: 5, Age: 400 * time.Second},
		{Addr: netip.MustParseAddr("2001:db8::1"), Connects: 2, Sent: 1 << 40, Received: 7, Age: 300*time.Second + 999*time.Millisecond},
		{Connects: 3, Age: 0},
	}
	in := farm(t, w, Config{Exit: true}, "127.0.0.1:21011", "127.0.0.1:21012")
	slot := w.slots.Get(in.State().Plan.Servers[1].ID)
	slot.Take(0)
	slot.AddBytes(15, 30)
	const two, three = "2001:db8::1 connects 2 sx 1099511627776 rx 7\n", "unix connects 3 sx 0 rx 0\n"
	for line, want := range map[string]string{
		"connection 3": "Connection 3:\nstate = 1\ndownfd = 7, upfd = 8\nclient = 2, server = 1\npend = 17\n",
		"socket 8":     "Socket 8 belongs to connection 3\n",
		"socket 5":     "Socket 5 belongs to connection 0\n",
		"close 3":      "Forcibly closing connection 3\n",
		"recent":       two + three,
		"recent 0":     three,
		"recent -1":    "",
		"recent 400":   "127.0.0.1 connects 1 sx 10 rx 5\n" + two + three,
		"servers": "0 addr 127.0.0.1 port 21011 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n" +
			"1 addr 127.0.0.1 port 21012 conn 1 max 0 hard 0 weight 0 prio 0 sx 15 rx 30\n",
	} {
		equal(t, line, do(t, in, line), want)
	}
	if len(w.closed) != 1 || w.closed[0] != 3 {
		t.Errorf("closed %v, want connection 3 once", w.closed)
	}
	if w.settled < 5 {
		t.Errorf("byte counts were settled %d times, want before each of 5 queries", w.settled)
	}
	// PEN.md B11: closing a free number is told, and closes nothing.
	fails(t, in, "close 1", Trusted, "there is no connection 1")
	if len(w.closed) != 1 {
		t.Errorf("closed %v", w.closed)
	}
	do(t, in, "exit")
	if _, exits := w.count(); exits != 1 {
		t.Errorf("%d exits", exits)
	}
}
