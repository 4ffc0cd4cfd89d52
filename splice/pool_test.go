package splice

import (
	"sync"
	"testing"
	"unsafe"

	"pen/internal/sys"
)

func TestPoolCap(t *testing.T) {
	p := pool(t, 3, 4096)
	var out []*Pipe
	for range 3 {
		out = append(out, get(t, p))
	}
	for i := range 5 {
		if p.Get() != nil {
			t.Fatal("a fourth pipe from a pool of three")
		}
		if got := p.Refused(); got != uint64(i+1) {
			t.Fatalf("Refused %d after %d refusals", got, i+1)
		}
	}
	if p.Open() != 3 || p.Idle() != 0 {
		t.Fatalf("open %d, idle %d; want 3, 0", p.Open(), p.Idle())
	}
	p.Put(out[1])
	if p.Open() != 3 || p.Idle() != 1 {
		t.Fatalf("open %d, idle %d; want 3, 1", p.Open(), p.Idle())
	}
	if again := get(t, p); again != out[1] {
		t.Fatal("the pool did not lend the pipe that came back")
	}
	for _, pipe := range out {
		p.Put(pipe)
	}
}

func TestPoolOfNone(t *testing.T) {
	if p := pool(t, 0, 4096); p.Get() != nil || p.Refused() != 1 || p.Size() != 0 {
		t.Fatal("a pool of no pipes lends one")
	}
}

func TestPoolLendsTheLastOneUsed(t *testing.T) {
	p := pool(t, 3, 4096)
	a, b, c := get(t, p), get(t, p), get(t, p)
	p.Put(b)
	p.Put(c)
	p.Put(a)
	for i, want := range []*Pipe{a, c, b} {
		if got := get(t, p); got != want {
			t.Fatalf("Get %d is not the pipe put last", i)
		}
	}
	p.Put(a)
	p.Put(b)
	p.Put(c)
}

func TestPutWithDataDestroys(t *testing.T) {
	p, s, next := pool(t, 1, 64<<10), unixPair(t), unixPair(t)
	before := pipeEnds()
	pipe := get(t, p)
	sendAll(t, s.a, []byte("one client's secret"))
	drain(t, pipe, s.b, 19)
	p.Put(pipe)
	if p.Open() != 0 || p.Idle() != 0 || pipeEnds() != before {
		t.Fatalf("a pipe with data is kept: open %d, idle %d, %d pipe ends more", p.Open(), p.Idle(), pipeEnds()-before)
	}

	pipe = get(t, p)
	sendAll(t, next.a, []byte("another's"))
	drain(t, pipe, next.b, 9)
	if n, errno := pipe.Pump(next.b); n != 9 || errno != 0 {
		t.Fatalf("pump: %d, %v", n, errno)
	}
	if got := string(recvAll(t, next.a, 9)); got != "another's" {
		t.Fatalf("the next connection reads %q", got)
	}
	p.Put(pipe)
	if p.Open() != 1 || p.Idle() != 1 {
		t.Fatalf("an empty pipe is not kept: open %d, idle %d", p.Open(), p.Idle())
	}
}

func TestPutTwicePanics(t *testing.T) {
	p, s := pool(t, 2, 4096), unixPair(t)
	empty, full := get(t, p), get(t, p)
	sendAll(t, s.a, []byte("x"))
	drain(t, full, s.b, 1)
	for _, pipe := range []*Pipe{empty, full} {
		p.Put(pipe)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			p.Put(pipe)
		}()
	}
	if p.Open() != 1 || p.Idle() != 1 {
		t.Errorf("open %d, idle %d; want 1, 1", p.Open(), p.Idle())
	}
}

func TestPoolClose(t *testing.T) {
	before := pipeEnds()
	s := unixPair(t)
	p := NewPool(3, 4096)
	idle, lent, full := get(t, p), get(t, p), get(t, p)
	sendAll(t, s.a, []byte("x"))
	drain(t, full, s.b, 1)
	p.Put(idle)
	p.Close()
	if p.Open() != 2 || p.Idle() != 0 || pipeEnds() != before+4 {
		t.Fatalf("after Close with two on loan: open %d, idle %d, %d pipe ends", p.Open(), p.Idle(), pipeEnds()-before)
	}
	if p.Get() != nil {
		t.Fatal("a closed pool lends")
	}
	p.Put(lent)
	p.Put(full)
	if p.Open() != 0 || p.Idle() != 0 || pipeEnds() != before {
		t.Fatalf("a pipe put after Close is kept: open %d, idle %d, %d pipe ends", p.Open(), p.Idle(), pipeEnds()-before)
	}
	p.Close()
	if p.Get() != nil {
		t.Fatal("a closed pool lends")
	}
}

func TestPoolStatsFromOtherGoroutines(t *testing.T) {
	p, s := pool(t, 2, 4096), unixPair(t)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				if open, idle := p.Open(), p.Idle(); open < 0 || open > 2 || idle < 0 || idle > 2 {
					t.Errorf("open %d, idle %d of 2", open, idle)
				}
				if size := p.Size(); size != 0 && size != 4096 {
					t.Errorf("size %d", size)
				}
				_ = p.Refused()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 2000 {
		a, b := get(t, p), get(t, p)
		p.Get()
		p.Put(a)
		if i%4 == 0 {
			sendAll(t, s.a, []byte("x"))
			drain(t, b, s.b, 1)
		}
		p.Put(b)
	}
	close(stop)
	wg.Wait()
	if p.Refused() != 2000 {
		t.Errorf("refused %d, want 2000", p.Refused())
	}
}

// Two loops' pools must not share a cache line: the loops write the counters with every Get and Put.
func TestPoolsShareNoCacheLine(t *testing.T) {
	if n := unsafe.Sizeof(Pool{}); n%128 != 0 {
		t.Errorf("a Pool takes %d bytes, not a multiple of two lines", n)
	}
}

func TestNoAllocation(t *testing.T) {
	p, in, out := pool(t, 2, 64<<10), tcpPair(t), tcpPair(t)
	block, back := make([]byte, 8<<10), make([]byte, 8<<10)
	relay := func() {
		pipe := p.Get()
		sys.Send(in.a, block)
		for got := 0; got < len(block); {
			pipe.Drain(in.b, 1<<20)
			pipe.Pump(out.a)
			n, _ := sys.Recv(out.b, back)
			got += n
		}
		p.Put(pipe)
	}
	reopen := func() {
		a, b := p.Get(), p.Get()
		sys.Send(in.a, block[:2])
		for a.Data == 0 {
			a.Drain(in.b, 1)
		}
		for b.Data == 0 {
			b.Drain(in.b, 1)
		}
		p.Put(a)
		p.Put(b)
	}
	exhausted := func() {
		a, b := p.Get(), p.Get()
		p.Get()
		p.Put(a)
		p.Put(b)
	}
	for name, f := range map[string]func(){"relay": relay, "destroy and open": reopen, "exhausted": exhausted} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
