package loop

import (
	"io"
	"runtime"
	"testing"
	"time"
)

// A raw wait has no end of its own, and holds its P: a garbage collection, which stops the world, must get it all the same, and a loop with nothing to do must give it back.
func TestRawWaitsHoldUpNobody(t *testing.T) {
	r := newRig(t, "raw", []string{serve(t, echo)}, nil)
	c := r.dial()
	for range 20 {
		io.WriteString(c, "x")
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		began := time.Now() // the loop is in a raw wait now
		runtime.GC()
		if took := time.Since(began); took > 2*time.Second {
			t.Fatalf("a collection took %v", took)
		}
	}
}

func TestRawWaitsAreTimedWhereNobodyEndsThem(t *testing.T) {
	for debug, want := range map[string]int{"": untimed, "gctrace=0,asyncpreemptoff=1": timed, "asyncpreemptoff=0": untimed} {
		t.Setenv("GODEBUG", debug)
		p, err := openRawPoller()
		if err != nil {
			t.Fatal(err)
		}
		if p.limit != want {
			t.Errorf("GODEBUG=%s: a wait lasts %d ms, want %d", debug, p.limit, want)
		}
		p.close()
	}
}
