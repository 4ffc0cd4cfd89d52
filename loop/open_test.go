package loop

import (
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/internal/sys"
	"pen/internal/testkit"
)

// Open is all or nothing however few descriptors there are: each of its steps is refused in turn. Not parallel: the limit is the whole process's.
func TestOpenShortOfDescriptorsFailsAndLeavesNothing(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		cfg, plan, slots, table := prepare(t, poller, nil)
		b := balance.New(slots, table, plan)
		defer table.Close()
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
		before := len(testkit.Descriptors())
		low := syscall.Rlimit{Cur: uint64(before) + 50, Max: limit.Max}
		room := 0
		for opened := false; !opened; room++ {
			syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low)
			var held []int
			for fd, e := sys.Socket(sys.Inet); e == 0; fd, e = sys.Socket(sys.Inet) {
				held = append(held, fd)
			}
			for _, fd := range held[:room] {
				sys.Close(fd)
			}
			g, err := Open(cfg, b)
			for _, fd := range held[room:] {
				sys.Close(fd)
			}
			syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
			if opened = err == nil; opened {
				g.Wait()
			}
			if left := len(testkit.Descriptors()); left != before {
				t.Fatalf("with room for %d descriptors Open (%v) left %d of them open", room, err, left-before)
			}
		}
		if room < 2*5 { // two loops, each with a listener, a poller and its wake-up, a timer, a spare
			t.Errorf("Open succeeded with room for only %d descriptors", room-1)
		}
	})
}

func TestPinnedAndSteeredLoopsServe(t *testing.T) {
	cpus, err := sys.CPUs()
	if err != nil {
		t.Fatal(err)
	}
	for _, steer := range []Steer{SteerOff, SteerCPU, SteerClient} {
		for _, pinned := range []bool{false, true} {
			t.Run(fmt.Sprintf("steer %d pinned %v", steer, pinned), func(t *testing.T) {
				eachPoller(t, func(t *testing.T, poller string) {
					r := newRig(t, poller, []string{serve(t, named("here"))}, func(c *Config, _ *balance.Plan) {
						c.Steer, c.Loops = steer, min(2, len(cpus))
						if pinned {
							c.CPUs = cpus
						}
					})
					homes := map[string]*Loop{}
					for i := range 40 {
						from := fmt.Sprintf("127.0.0.%d", 2+i%4)
						d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
						before := accepted(r)
						c, err := d.Dial("tcp", r.Addr().String())
						if err != nil {
							t.Fatal(err)
						}
						c.SetDeadline(time.Now().Add(patience))
						if got, err := io.ReadAll(c); string(got) != "here" {
							t.Fatalf("read %q, %v", got, err)
						}
						c.Close()
						for j, n := range accepted(r) {
							if n == before[j] {
								continue
							}
							if l := r.loops[j]; steer == SteerClient && homes[from] != nil && homes[from] != l {
								t.Errorf("%s met two loops", from)
							} else {
								homes[from] = l
							}
						}
					}
					if pinned {
						for i, l := range r.loops {
							if got := affinityOf(l); !slices.Equal(got, cpus[i:i+1]) {
								t.Errorf("loop %d runs on CPUs %v, pinned to %d", i, got, cpus[i])
							}
						}
					}
				})
			})
		}
	}
}

// accepted returns each loop's count.
func accepted(r *rig) []uint64 {
	var n []uint64
	for _, l := range r.loops {
		n = append(n, account.Read([]*account.Loop{l.ledger}).Totals.Counts[account.Accepted])
	}
	return n
}

// affinityOf asks a loop's own thread where it may run.
func affinityOf(l *Loop) []int {
	answer := make(chan []int, 1)
	l.post(func(*Loop) {
		cpus, _ := sys.CPUs()
		answer <- cpus
	})
	return <-answer
}
