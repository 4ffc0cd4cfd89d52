package splice

import (
	"syscall"
	"testing"

	"pen/internal/sys"
)

func TestDrainThenPump(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			p, in, out := pool(t, 1, 64<<10), transport.open(t), transport.open(t)
			pipe := get(t, p)
			sendAll(t, in.a, []byte("hello, splice"))
			drain(t, pipe, in.b, 5)
			if pipe.Data != 5 {
				t.Fatalf("Data %d after draining at most 5 at a time", pipe.Data)
			}
			drain(t, pipe, in.b, 13)
			if n, errno := pipe.Pump(out.a); n != 13 || errno != 0 || pipe.Data != 0 {
				t.Fatalf("pump: %d, %v, Data %d", n, errno, pipe.Data)
			}
			if got := string(recvAll(t, out.b, 13)); got != "hello, splice" {
				t.Fatalf("got %q", got)
			}
			p.Put(pipe)
		})
	}
}

// Nothing is ever asked with a length of 0, which would look like end of file.
func TestDrainNeverAsksForNothing(t *testing.T) {
	p, s := pool(t, 1, 4096), unixPair(t)
	pipe := get(t, p)
	for _, limit := range []int{0, -1} {
		if n, errno := pipe.Drain(s.b, limit); n != 0 || errno != syscall.EAGAIN {
			t.Fatalf("drain of an empty socket with limit %d: %d, %v; want EAGAIN", limit, n, errno)
		}
	}
	sendAll(t, s.a, []byte("ab"))
	if n, errno := pipe.Drain(s.b, 0); n != 1 || errno != 0 {
		t.Fatalf("drain with limit 0: %d, %v; want 1 byte", n, errno)
	}
	p.Put(pipe)
}

// An empty pipe has nothing to pump, whatever the socket is.
func TestPumpOfNothing(t *testing.T) {
	p := pool(t, 1, 4096)
	pipe := get(t, p)
	if n, errno := pipe.Pump(-1); n != 0 || errno != 0 {
		t.Fatalf("%d, %v; want 0, 0 without asking the kernel", n, errno)
	}
	p.Put(pipe)
}

// End of file with data left in the pipe: Drain says 0, 0 and keeps saying it, the data stay and go out.
func TestEndOfFileWithDataInside(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			p, in, out := pool(t, 1, 64<<10), transport.open(t), transport.open(t)
			pipe := get(t, p)
			sendAll(t, in.a, []byte("last words"))
			hangUp(t, in.a)
			drain(t, pipe, in.b, 10)
			await(t, in.b, sys.RdHup)
			for range 3 {
				if n, errno := pipe.Drain(in.b, 1<<20); n != 0 || errno != 0 || pipe.Data != 10 {
					t.Fatalf("drain at the end: %d, %v, Data %d", n, errno, pipe.Data)
				}
			}
			if n, errno := pipe.Pump(out.a); n != 10 || errno != 0 {
				t.Fatalf("pump: %d, %v", n, errno)
			}
			if got := string(recvAll(t, out.b, 10)); got != "last words" {
				t.Fatalf("got %q", got)
			}
			p.Put(pipe)
		})
	}
}

// A descriptor splice does not work on: EINVAL, no byte moved, the pipe as good as new, and the flow copies for good.
func TestNotSpliceable(t *testing.T) {
	p, s := pool(t, 1, 4096), unixPair(t)
	ep, err := sys.NewEpoll()
	if err != nil {
		t.Fatal(err)
	}
	defer ep.Close()
	pipe := get(t, p)
	var flow Flow
	flow.Start(Always)
	n, errno := pipe.Drain(ep.Int(), 1<<20)
	if n != 0 || errno != syscall.EINVAL || pipe.Data != 0 {
		t.Fatalf("drain: %d, %v, Data %d; want EINVAL", n, errno, pipe.Data)
	}
	if flow.Refused(); flow.Splicing() {
		t.Fatal("still splicing")
	}
	sendAll(t, s.a, []byte("x"))
	drain(t, pipe, s.b, 1)
	if n, errno := pipe.Pump(ep.Int()); n != 0 || errno != syscall.EINVAL || pipe.Data != 1 {
		t.Fatalf("pump: %d, %v, Data %d; want EINVAL and the byte still inside", n, errno, pipe.Data)
	}
	p.Put(pipe)
	if p.Open() != 0 {
		t.Fatal("the pipe with the byte is kept")
	}
}

// A peer that is gone is an errno, not a signal that ends the process.
func TestPumpToClosedPeer(t *testing.T) {
	p, in, out := pool(t, 1, 4096), unixPair(t), unixPair(t)
	pipe := get(t, p)
	sendAll(t, in.a, []byte("x"))
	drain(t, pipe, in.b, 1)
	hangUp(t, out.a)
	if n, errno := pipe.Pump(out.a); n != 0 || errno != syscall.EPIPE || pipe.Data != 1 {
		t.Fatalf("pump: %d, %v, Data %d; want EPIPE", n, errno, pipe.Data)
	}
	p.Put(pipe)
}

// RST from the source is an errno as well, and what was drained before it stays.
func TestDrainAfterReset(t *testing.T) {
	p, in, out := pool(t, 1, 8192), tcpPair(t), tcpPair(t)
	pipe := get(t, p)
	sendAll(t, in.a, []byte("x"))
	drain(t, pipe, in.b, 1)
	sys.ResetOnClose(in.a)
	in.ownsA.Close()
	await(t, in.b, sys.RdHup)
	if n, errno := pipe.Drain(in.b, 1<<20); n != 0 || errno != syscall.ECONNRESET || pipe.Data != 1 {
		t.Fatalf("drain: %d, %v, Data %d; want ECONNRESET", n, errno, pipe.Data)
	}
	if n, errno := pipe.Pump(out.a); n != 1 || errno != 0 {
		t.Fatalf("pump: %d, %v", n, errno)
	}
	p.Put(pipe)
}
