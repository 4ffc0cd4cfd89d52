package sys

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
)

// group is a group of listeners under one poller.
type group struct {
	addr  netip.AddrPort
	ep    int
	place map[int]int // listener's descriptor → position in the group
	first int
}

func newGroup(t *testing.T, addr netip.AddrPort, n int) group {
	t.Helper()
	fds, addr := listen(t, addr, true, n, 64, Tuning{})
	g := group{addr, poller(t).Int(), map[int]int{}, fds[0].Int()}
	for i, fd := range fds {
		g.place[fd.Int()] = i
		if e := EpollAdd(g.ep, fd.Int(), 0, In); e != 0 {
			t.Fatal(e)
		}
	}
	return g
}

// serve accepts one connection and returns the position of the listener it came to.
func (g group) serve(t *testing.T, want *FD) int {
	t.Helper()
	ev, ok := next(g.ep, patience)
	if !ok {
		t.Fatal("nobody to accept")
	}
	_, peer := accept(t, int(ev.Fd))
	if client := localAddr(t, want.Int()); peer != client {
		t.Fatalf("accepted %s, want %s", peer, client)
	}
	return g.place[int(ev.Fd)]
}

func TestSteerByCPU(t *testing.T) {
	cpus, err := CPUs()
	if err != nil {
		t.Fatal(err)
	}
	const nowhere = 5000 // a CPU no packet is taken on
	for _, cpu := range cpus {
		for _, test := range []struct {
			list []int
			want int
		}{
			{[]int{cpu, nowhere, nowhere + 1}, 0},
			{[]int{nowhere, cpu, nowhere + 1}, 1},
			{[]int{nowhere, nowhere + 1, cpu}, 2},
			{[]int{nowhere, nowhere + 1, nowhere + 2}, cpu % 3},
		} {
			t.Run(fmt.Sprint(cpu, test.list), func(t *testing.T) {
				g := newGroup(t, anyPort4, len(test.list))
				if err := SteerByCPU(g.first, test.list); err != nil {
					t.Fatal(err)
				}
				for range 5 {
					// Over loopback a packet is taken on the CPU that sends it.
					client := socket(t, g.addr)
					onThread(t, func() error {
						if err := Pin(cpu); err != nil {
							return err
						}
						if e := ConnectIP(client.Int(), g.addr); e != syscall.EINPROGRESS {
							return e
						}
						return nil
					})
					shows(t, client.Int(), Out, patience)
					if got := g.serve(t, client); got != test.want {
						t.Errorf("taken on CPU %d: came to listener %d, want %d", cpu, got, test.want)
					}
				}
			})
		}
	}
}

// placeOf is what SteerByClient says it does, in Go.
func placeOf(client netip.Addr, n int) int {
	var h uint32
	for b := client.AsSlice(); len(b) > 0; b = b[4:] {
		h ^= binary.BigEndian.Uint32(b)
	}
	return int(h * 2654435761 >> 8 % uint32(n))
}

func TestSteerByClient(t *testing.T) {
	for _, any := range []netip.AddrPort{anyPort4, anyDual} {
		for _, n := range []int{2, 3, 8} {
			t.Run(fmt.Sprint(any.Addr(), n), func(t *testing.T) {
				g := newGroup(t, any, n)
				if err := SteerByClient(g.first, n); err != nil {
					t.Fatal(err)
				}
				to := netip.AddrPortFrom(anyPort4.Addr(), g.addr.Port())
				const clients = 64
				met := make([]int, n)
				for i := range clients {
					client := netip.AddrFrom4([4]byte{127, 0, byte(i % 4), byte(i + 1)})
					want := placeOf(client, n)
					for range 3 { // from three ports
						if got := g.serve(t, dialFrom(t, client, to)); got != want {
							t.Fatalf("%s comes to listener %d, want %d", client, got, want)
						}
					}
					met[want]++
				}
				for i, got := range met {
					if got < clients/n/3 || got > clients/n*3 {
						t.Errorf("listener %d has %d of %d clients: %v", i, got, clients, met)
					}
				}
			})
		}
	}
}

func TestSteerByClientIPv6(t *testing.T) {
	for _, any := range []netip.AddrPort{anyPort6, anyDual} {
		for _, n := range []int{2, 3, 8} {
			g := newGroup(t, any, n)
			if err := SteerByClient(g.first, n); err != nil {
				t.Fatal(err)
			}
			to := netip.AddrPortFrom(anyPort6.Addr(), g.addr.Port())
			for range 5 {
				if got, want := g.serve(t, dial(t, to)), placeOf(to.Addr(), n); got != want {
					t.Errorf("::1 comes to listener %d of %d, want %d", got, n, want)
				}
			}
		}
	}
}

func TestSteeringNeedsAGroup(t *testing.T) {
	lone := newGroup(t, anyPort4, 1)
	if err := SteerByClient(lone.first, 1); err != nil {
		t.Errorf("one listener by client: %v", err)
	}
	if err := SteerByCPU(lone.first, []int{0}); err != nil {
		t.Errorf("one listener by CPU: %v", err)
	}
	lone.serve(t, dial(t, lone.addr))

	plain := socket(t, anyPort4)
	if err := SteerByClient(plain.Int(), 2); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a socket outside any group: %v", err)
	}
	if err := SteerByClient(lone.first, 0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a group of none: %v", err)
	}
	if err := SteerByCPU(lone.first, make([]int, 3000)); err == nil {
		t.Error("a program longer than the kernel takes is accepted")
	}
}
