package sys

import (
	"errors"
	"net/netip"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSiblingsShareOnePort(t *testing.T) {
	for _, any := range []netip.AddrPort{anyPort4, anyPort6, anyDual} {
		t.Run(any.String(), func(t *testing.T) {
			fds, addr := listen(t, any, true, 3, 64, Tuning{})
			if len(fds) != 3 || addr.Port() == 0 {
				t.Fatalf("%d listeners on %s", len(fds), addr)
			}
			for _, fd := range fds {
				if got := localAddr(t, fd.Int()); got != addr {
					t.Errorf("one listens on %s, another on %s", addr, got)
				}
				wantFlags(t, fd.Int())
			}

			to := addr
			if addr.Addr().IsUnspecified() {
				to = netip.AddrPortFrom(anyPort6.Addr(), addr.Port())
			}
			const clients = 60
			for range clients {
				dial(t, to)
			}
			served, total := 0, 0
			for _, fd := range fds {
				before := total
				for {
					n, _, e := Accept(fd.Int())
					if e != 0 {
						break
					}
					Close(n)
					total++
				}
				if total > before {
					served++
				}
			}
			if total != clients || served < 2 {
				t.Errorf("%d of %d connections accepted, by %d of 3 listeners", total, clients, served)
			}
		})
	}
}

// PEN.md B15: a second Pen on the same address split the clients with the first, silently.
func TestSecondListenerIsRefused(t *testing.T) {
	any4 := netip.MustParseAddrPort("0.0.0.0:0")
	for _, test := range []struct{ first, second netip.AddrPort }{
		{anyPort4, anyPort4},
		{anyPort6, anyPort6},
		{any4, anyPort4},
		{anyPort4, any4},
		{anyDual, anyPort4},
		{anyDual, any4},
		{anyDual, anyDual},
	} {
		for _, n := range []int{1, 2} {
			_, addr := listen(t, test.first, true, n, 8, Tuning{})
			second := netip.AddrPortFrom(test.second.Addr(), addr.Port())
			check := wantNothingOpened(t)
			fds, err := ListenTCP(second, true, n, 8, Tuning{})
			if fds != nil || !errors.Is(err, syscall.EADDRINUSE) {
				t.Fatalf("%d listeners on %s, then on %s: %v, want address already in use", n, addr, second, err)
			}
			if want := "listen " + second.String() + ": bind: address already in use"; err.Error() != want {
				t.Errorf("says %q, want %q", err, want)
			}
			check()
		}
	}
}

// PEN.md B15, the narrow case: the other process has bound already and does not listen yet. Whichever listens first wins.
func TestRivalThatHasBoundIsRefused(t *testing.T) {
	for _, any := range []netip.AddrPort{anyPort4, anyPort6} {
		rival, err := bindTCP(any, false, true, Tuning{})
		if err != nil {
			t.Fatal(err)
		}
		defer rival.Close()
		_, addr := listen(t, localAddr(t, rival.Int()), false, 2, 8, Tuning{})
		if err := unix.Listen(rival.Int(), 8); err != unix.EADDRINUSE {
			t.Errorf("the rival listens on %s too: %v", addr, err)
		}
	}
}

// PEN.md B15 once more: of many that start at the same moment exactly one listens.
func TestManyStartsAtOnce(t *testing.T) {
	for range 100 {
		reserved, err := bindTCP(anyPort4, false, true, Tuning{})
		if err != nil {
			t.Fatal(err)
		}
		addr := localAddr(t, reserved.Int())
		var wg sync.WaitGroup
		var groups [4][]*FD
		for i := range groups {
			wg.Go(func() {
				fds, err := ListenTCP(addr, false, 2, 8, Tuning{})
				if err != nil && !errors.Is(err, syscall.EADDRINUSE) {
					t.Error(err)
				}
				groups[i] = fds
			})
		}
		wg.Wait()
		winners := 0
		for _, fds := range groups {
			if fds != nil {
				winners++
			}
			for _, fd := range fds {
				fd.Close()
			}
		}
		reserved.Close()
		if winners != 1 {
			t.Fatalf("%d of %d listen on %s", winners, len(groups), addr)
		}
	}
}

func TestDualStackUnmapsClients(t *testing.T) {
	fds, addr := listen(t, anyDual, true, 1, 8, Tuning{})
	for _, to := range []netip.Addr{anyPort4.Addr(), anyPort6.Addr()} {
		client := dial(t, netip.AddrPortFrom(to, addr.Port()))
		_, peer := accept(t, fds[0].Int())
		if want := localAddr(t, client.Int()); peer != want || peer.Addr() != to {
			t.Errorf("the client %s is seen as %s", want, peer)
		}
	}
}

func TestIPv6Only(t *testing.T) {
	_, addr := listen(t, anyDual, false, 2, 8, Tuning{})
	dial(t, netip.AddrPortFrom(anyPort6.Addr(), addr.Port()))

	v4 := netip.AddrPortFrom(anyPort4.Addr(), addr.Port())
	fd := socket(t, v4)
	if e := ConnectIP(fd.Int(), v4); e == syscall.EINPROGRESS {
		shows(t, fd.Int(), Out, patience)
		if e := ConnectIP(fd.Int(), v4); e != syscall.ECONNREFUSED {
			t.Errorf("an IPv4 client of an IPv6-only listener: %v", e)
		}
	} else if e != syscall.ECONNREFUSED {
		t.Errorf("an IPv4 client of an IPv6-only listener: %v", e)
	}
	listen(t, v4, false, 2, 8, Tuning{}) // the IPv4 port is free
}

func TestListenTCPFailsWhole(t *testing.T) {
	for free := range 3 {
		check := wantNothingOpened(t)
		t.Run("", func(t *testing.T) {
			leaveFree(t, free)
			if fds, err := ListenTCP(anyPort4, false, 3, 8, Tuning{}); fds != nil || !errors.Is(err, syscall.EMFILE) {
				t.Errorf("with %d descriptors to be had, 3 listeners: %v, %v", free, fds, err)
			}
		})
		check()
	}

	check := wantNothingOpened(t)
	if fds, err := ListenTCP(netip.MustParseAddrPort("192.0.2.1:0"), false, 2, 8, Tuning{}); fds != nil || !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("somebody else's address: %v, %v", fds, err)
	}
	if fds, err := ListenTCP(anyPort4, false, 2, 8, Tuning{Keepalive: 1 << 60}); fds != nil || !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a keepalive the kernel refuses: %v, %v", fds, err)
	}
	check()
}
