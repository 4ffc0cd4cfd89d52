package sys

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
)

// A muted group refuses clients and gives its port to nobody; unmuted it takes them again, by the same descriptors.
func TestMutedListenersRefuseAndKeepTheirPort(t *testing.T) {
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), freePort(t))
	fds, err := ListenTCP(at, false, 3, 100, Tuning{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, fd := range fds {
			fd.Close()
		}
	}()
	connect := func() error {
		c, err := net.Dial("tcp", at.String())
		if err == nil {
			c.Close()
		}
		return err
	}
	for range 3 {
		if err := connect(); err != nil {
			t.Fatalf("listening: %v", err)
		}
		for _, fd := range fds {
			if err := Mute(fd.Int()); err != nil {
				t.Fatal(err)
			}
			if waiting, most := ListenQueue(fd.Int()); waiting != 0 || most != 0 {
				t.Errorf("a muted listener has a queue, %d of %d", waiting, most)
			}
		}
		if err := connect(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("muted: %v", err)
		}
		if other, err := net.Listen("tcp", at.String()); err == nil {
			other.Close()
			t.Error("somebody else can have the port")
		}
		for _, fd := range fds {
			if err := Unmute(fd.Int(), 100); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestListenQueue(t *testing.T) {
	fds, err := ListenTCP(netip.MustParseAddrPort("127.0.0.1:0"), false, 1, 7, Tuning{})
	if err != nil {
		t.Fatal(err)
	}
	defer fds[0].Close()
	at, _ := LocalAddr(fds[0].Int())
	for want := range 3 {
		if waiting, most := ListenQueue(fds[0].Int()); waiting != want || most != 7 {
			t.Errorf("%d of %d wait, want %d of 7", waiting, most, want)
		}
		c, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if waiting, most := ListenQueue(-1); waiting != 0 || most != 0 {
		t.Errorf("no socket has a queue, %d of %d", waiting, most)
	}
}

// freePort is a port that nobody has at the moment.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}
