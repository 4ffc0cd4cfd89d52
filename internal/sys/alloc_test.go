package sys

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A loop calls these for every event or connection: none may allocate.
func TestNoAllocation(t *testing.T) {
	listeners, addr := listen(t, anyPort4, false, 1, 64, Tuning{})
	listeners6, addr6 := listen(t, anyPort6, false, 1, 64, Tuning{})
	path := filepath.Join(t.TempDir(), "s")
	local := listenUnix(t, path, 1, 64)
	client, server := tcpPair(t, Tuning{})
	ep, efd := poller(t).Int(), eventFD(t).Int()
	timer, err := NewTimerFD()
	if err != nil {
		t.Fatal(err)
	}
	defer timer.Close()
	r, w, _, e := Pipe(64 << 10)
	if e != 0 {
		t.Fatal(e)
	}
	defer Close(r)
	defer Close(w)
	must := func(e syscall.Errno) {
		if e != 0 {
			t.Fatal(e)
		}
	}
	retry := func(fd func() (int, syscall.Errno)) int { // over loopback the answer comes at once, or nearly
		for deadline := time.Now().Add(patience); ; {
			n, e := fd()
			if e == 0 {
				return n
			}
			if e != syscall.EAGAIN || time.Now().After(deadline) {
				t.Fatal(e)
			}
		}
	}
	tuning := Tuning{NoDelay: true, Keepalive: time.Minute, UserTimeout: time.Minute}
	block, events := make([]byte, 1000), make([]Event, 16)

	for name, f := range map[string]func(){
		"connect and accept": func() {
			fd, e := Socket(Inet)
			must(e)
			if e := ConnectIP(fd, addr); e != syscall.EINPROGRESS {
				must(e)
			}
			got := retry(func() (int, syscall.Errno) {
				fd, _, e := Accept(listeners[0].Int())
				return fd, e
			})
			must(tuning.Apply(got))
			must(PendingError(got))
			_, e = LocalAddr(got)
			must(e)
			must(ResetOnClose(fd))
			Close(fd)
			Close(got)
		},
		"connect and accept, IPv6": func() {
			fd, e := Socket(Inet6)
			must(e)
			if e := ConnectIP(fd, addr6); e != syscall.EINPROGRESS {
				must(e)
			}
			got := retry(func() (int, syscall.Errno) {
				fd, _, e := Accept(listeners6[0].Int())
				return fd, e
			})
			must(ResetOnClose(fd))
			Close(fd)
			Close(got)
		},
		"connect and accept, Unix": func() {
			fd, e := Socket(Local)
			must(e)
			must(ConnectPath(fd, path))
			got, _, e := Accept(local[0].Int())
			must(e)
			must(ShutWrite(fd))
			Close(fd)
			Close(got)
		},
		"accept nobody": func() {
			if _, _, e := Accept(listeners[0].Int()); e != syscall.EAGAIN {
				t.Error(e)
			}
		},
		"send and receive": func() {
			n, e := Send(client.Int(), block)
			must(e)
			for n > 0 {
				n -= retry(func() (int, syscall.Errno) { return Recv(server.Int(), block) })
			}
		},
		"splice": func() {
			n, e := Send(client.Int(), block)
			must(e)
			for n > 0 {
				in := retry(func() (int, syscall.Errno) { return Splice(server.Int(), w, 64<<10) })
				out, e := Splice(r, server.Int(), in)
				must(e)
				n -= out
				for out > 0 {
					out -= retry(func() (int, syscall.Errno) { return Recv(client.Int(), block) })
				}
			}
		},
		"pipe": func() {
			r, w, _, e := Pipe(64 << 10)
			must(e)
			Close(r)
			Close(w)
		},
		"epoll": func() {
			must(EpollAdd(ep, efd, 0, In))
			Signal(efd)
			n, e := EpollWaitRaw(ep, events, 0)
			must(e)
			m, e := EpollWait(ep, events)
			must(e)
			if n != 1 || m != 1 {
				t.Errorf("%d and %d events", n, m)
			}
			ClearCounter(efd)
			must(EpollMod(ep, efd, 0, In|Edge))
			must(EpollDel(ep, efd))
		},
		"timer": func() {
			must(SetTimer(timer.Int(), time.Hour))
			must(SetTimer(timer.Int(), 0))
			ClearCounter(timer.Int())
		},
	} {
		if n := testing.AllocsPerRun(50, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
