package loop

import (
	"fmt"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"pen/internal/balance"
	"pen/internal/sys"
)

// courier moves bytes between raw sockets with the loop between them, and allocates nothing itself.
type courier struct {
	*hand
	f   *farm
	buf []byte
}

// call connects a client and takes its connection at the server.
func (k *courier) call() (client, server int) {
	client, e := sys.Socket(sys.Inet)
	if e != 0 {
		k.t.Fatal(e)
	}
	for e = sys.ConnectIP(client, k.at); e != 0 && e != syscall.EISCONN; e = sys.ConnectIP(client, k.at) {
		if e != syscall.EINPROGRESS && e != syscall.EALREADY {
			k.t.Fatal(e)
		}
	}
	for {
		k.batch(0)
		server, _, e := sys.Accept(k.f.fd.Int())
		if e == 0 {
			return client, server
		}
		if e != syscall.EAGAIN {
			k.t.Fatal(e)
		}
	}
}

// move sends n bytes from one socket and has them all arrive at the other.
func (k *courier) move(from, to, n int) {
	for sent, got := 0, 0; got < n; k.batch(0) {
		if sent < n {
			m, _ := sys.Send(from, k.buf[:min(len(k.buf), n-sent)])
			sent += m
		}
		for {
			m, e := sys.Recv(to, k.buf)
			if got += m; e != 0 || m == 0 {
				break
			}
		}
	}
}

// end closes the client's socket, then the server's, and waits for the loop to be done with both.
func (k *courier) end(client, server int) {
	sys.Close(client)
	for {
		k.batch(0)
		if n, e := sys.Recv(server, k.buf); e == 0 && n == 0 {
			break
		}
	}
	sys.Close(server)
	for k.live > 0 {
		k.batch(0)
	}
}

func TestConnectionsInSteadyStateAllocateNothing(t *testing.T) {
	for _, mode := range allModes {
		for _, unix := range []bool{false, true} {
			for _, size := range []int{100, 700 << 10} {
				t.Run(fmt.Sprintf("%v unix server %v %d bytes", mode, unix, size), func(t *testing.T) {
					f := newFarm(t)
					if unix {
						f = newUnixFarm(t)
					}
					k := &courier{hand: newHand(t, []string{f.addr}, func(c *Config, p *balance.Plan) { c.Splice, p.IdleTimeout = mode, time.Minute }), f: f, buf: make([]byte, 128<<10)}
					whole := func() {
						client, server := k.call()
						k.move(client, server, size)
						k.move(server, client, size)
						k.end(client, server)
					}
					whole()
					if n := testing.AllocsPerRun(20, whole); n != 0 {
						t.Errorf("a connection from accept to close allocates %v times", n)
					}
					client, server := k.call()
					if n := testing.AllocsPerRun(20, func() {
						k.move(client, server, size)
						k.move(server, client, size)
					}); n != 0 {
						t.Errorf("an exchange on an open connection allocates %v times", n)
					}
					k.end(client, server)
				})
			}
		}
	}
}

// A reader that is slow again and again has its bytes kept in the same few buffers.
func TestSlowReadersShareTheTails(t *testing.T) {
	f := newFarm(t)
	k := &courier{hand: newHand(t, []string{f.addr}, nil), f: f, buf: make([]byte, 128<<10)}
	client, server := k.call()
	k.only().down.flow.Refused() // copy, whatever the reads are like
	stall := func() {
		sent, got := 0, 0
		for !k.only().down.pending() {
			n, _ := sys.Send(server, k.buf)
			sent += n
			k.batch(0)
		}
		for got < sent {
			n, _ := sys.Recv(client, k.buf)
			got += n
			k.batch(0)
		}
	}
	stall()
	if n := testing.AllocsPerRun(5, stall); n != 0 {
		t.Errorf("a stall allocates %v times", n)
	}
	if n := len(k.tails); n != 1 {
		t.Errorf("the stock holds %d buffers after one slow reader, expected 1", n)
	}
	k.end(client, server)
}

// What the pollers do per connection and per turn.
func TestPollersAllocateNothing(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		p, err := openPoller(poller)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		if n := testing.AllocsPerRun(20, func() {
			fd, _ := sys.Socket(sys.Inet)
			p.add(fd, 1, wantRead)
			p.mod(fd, 1, wantBoth)
			sys.Close(fd)
		}); n != 0 {
			t.Errorf("watching a socket allocates %v times", n)
		}
		h := &rounds{poll: p}
		p.wake()
		p.run(h) // some of it grows once
		if n := testing.AllocsPerRun(1, func() {
			h.turns = 0
			p.wake()
			p.run(h)
		}); n > 5 { // gnet's list of events is made at the beginning of a run
			t.Errorf("%d turns allocate %v times", turnsPerRun, n)
		}
	})
}

const turnsPerRun = 1000

type rounds struct {
	poll  poller
	turns int
}

func (h *rounds) event(int, uint16, uint32) {}

func (h *rounds) failed(syscall.Errno) {}

func (h *rounds) turn() bool {
	h.turns++
	h.poll.soon()
	return h.turns < turnsPerRun
}

// Every byte of a connection is paid for as often as there are connections: beyond 256 the allocator would take 288.
func TestConnectionIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 256 {
		t.Errorf("a connection takes %d bytes", n)
	}
}
