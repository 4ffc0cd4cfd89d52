package account

import (
	"sync"
	"testing"
	"time"
)

// Whatever the numbers and their order, what is counted for a server is found there and in the totals, and nowhere else.
func TestEveryServerHasItsFigures(t *testing.T) {
	loops := []*Loop{new(Loop), new(Loop), new(Loop)} // the last has nothing to say
	ends := map[uint32]uint64{}
	for i, number := range []uint32{0, 9, 1, 4096, 9, 17, 16, 8, 7} {
		l := loops[i%2]
		l.Opened()
		if number > 0 {
			l.Connected(number, time.Millisecond)
			l.Heard(number, 2*time.Millisecond)
		}
		l.Ended(ServerReset, number)
		ends[number]++
	}
	r := Read(loops)
	if len(r.Servers) != 4097 || len(r.Loops) != 3 || r.Totals.Ended[ServerReset] != 9 || r.Loops[0].Ended[ServerReset] != 5 || r.Totals.Live != 0 {
		t.Errorf("%d servers, totals %+v", len(r.Servers), r.Totals)
	}
	for number, s := range r.Servers {
		want := ends[uint32(number)]
		stood := want
		if number == 0 {
			stood = 0
		}
		if s.Ended[ServerReset] != want || s.Ended[ClientFin] != 0 || s.Connects.Count() != stood || s.Connects.Sum != time.Duration(stood)*time.Millisecond || s.FirstByte.Sum != 2*s.Connects.Sum {
			t.Errorf("server %d: %+v, want %d", number, s, want)
		}
	}
}

// Ledgers are read while they grow, and nothing that was counted is lost by that.
func TestLedgersAreReadWhileTheyGrow(t *testing.T) {
	l := new(Loop)
	const servers = 300
	var loop sync.WaitGroup
	loop.Go(func() {
		for range 10 {
			for n := range uint32(servers) {
				l.Opened()
				l.Ended(Idle, n)
			}
		}
	})
	for seen := uint64(0); seen < 10*servers; {
		r := Read([]*Loop{l})
		if r.Totals.Ended[Idle] < seen {
			t.Fatalf("%d endings after %d", r.Totals.Ended[Idle], seen)
		}
		seen = r.Totals.Ended[Idle]
	}
	loop.Wait()
}

// What a loop pays for a connection's figures.
func BenchmarkServerFigures(b *testing.B) {
	l := new(Loop)
	for b.Loop() {
		l.Connected(7, 80*time.Microsecond)
		l.Heard(7, 300*time.Microsecond)
		l.Ended(ServerFin, 7)
	}
}
