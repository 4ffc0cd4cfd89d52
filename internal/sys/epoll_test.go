package sys

import (
	"syscall"
	"testing"
	"time"
)

const moment = 20 * time.Millisecond // how long a test watches for an event that must not come

func TestEpollAddModDel(t *testing.T) {
	client, server := tcpPair(t, Tuning{})
	ep, fd := poller(t).Int(), server.Int()
	want := func(what string, events uint32) {
		t.Helper()
		limit := patience
		if events == 0 {
			limit = moment
		}
		ev, ok := next(ep, limit)
		if ev.Events != events || ok && int(ev.Fd) != fd {
			t.Errorf("%s: events %#x of fd %d; want %#x of %d", what, ev.Events, ev.Fd, events, fd)
		}
	}
	do := func(e syscall.Errno) {
		t.Helper()
		if e != 0 {
			t.Fatal(e)
		}
	}

	do(EpollAdd(ep, fd, 0, In))
	want("nothing to read", 0)
	if e := EpollAdd(ep, fd, 0, In); e != syscall.EEXIST {
		t.Errorf("added twice: %v", e)
	}
	Send(client.Int(), []byte("x"))
	want("something to read", In)
	want("still there, level", In)

	do(EpollMod(ep, fd, 0, Out))
	want("room to write", Out)
	do(EpollMod(ep, fd, 0, In|Out|RdHup|Edge))
	want("both", In|Out)
	want("no new edge", 0)
	do(EpollMod(ep, fd, 0, In|Out|RdHup|Edge))
	want("the same edges armed again", In|Out)
	ShutWrite(client.Int())
	want("the peer's FIN", In|Out|RdHup)
	ShutWrite(fd)
	want("ours as well", In|Out|RdHup|Hup)

	do(EpollDel(ep, fd))
	want("taken out", 0)
	if e := EpollDel(ep, fd); e != syscall.ENOENT {
		t.Errorf("taken out twice: %v", e)
	}
	if e := EpollMod(ep, fd, 0, In); e != syscall.ENOENT {
		t.Errorf("changed after it was taken out: %v", e)
	}
}

func TestEpollReset(t *testing.T) {
	client, server := tcpPair(t, Tuning{})
	ep := poller(t).Int()
	if e := EpollAdd(ep, server.Int(), 0, In|RdHup|Edge); e != 0 {
		t.Fatal(e)
	}
	ResetOnClose(client.Int())
	client.Close()
	if ev, _ := next(ep, patience); ev.Events != In|RdHup|Hup|Err {
		t.Errorf("after a reset: %#x", ev.Events)
	}
}

func TestEpollWaitRawManyAndNone(t *testing.T) {
	ep := poller(t).Int()
	var events [8]Event
	start := time.Now()
	if n, e := EpollWaitRaw(ep, events[:], 0); n != 0 || e != 0 {
		t.Errorf("none: %d, %v", n, e)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("0 ms took %v", took)
	}
	fds := map[int32]bool{}
	for range 5 {
		fd := eventFD(t)
		Signal(fd.Int())
		if e := EpollAdd(ep, fd.Int(), 0, In); e != 0 {
			t.Fatal(e)
		}
		fds[int32(fd.Int())] = true
	}
	if n, e := EpollWaitRaw(ep, events[:3], 0); n != 3 || e != 0 {
		t.Errorf("three of five: %d, %v", n, e)
	}
	n, e := EpollWaitRaw(ep, events[:], 0)
	if n != 5 || e != 0 {
		t.Errorf("five: %d, %v", n, e)
	}
	for _, ev := range events[:n] {
		if !fds[ev.Fd] || ev.Events != In {
			t.Errorf("event %#x of fd %d", ev.Events, ev.Fd)
		}
		delete(fds, ev.Fd)
	}
	if n, e := EpollWaitRaw(-1, events[:], 0); n != 0 || e != syscall.EBADF {
		t.Errorf("of nothing: %d, %v", n, e)
	}
	if n, e := EpollWait(-1, events[:]); n != 0 || e != syscall.EBADF {
		t.Errorf("of nothing: %d, %v", n, e)
	}
}

func eventFD(t testing.TB) *FD {
	t.Helper()
	fd, err := NewEventFD()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fd.Close() })
	return fd
}

// An idle loop waits without limit; a signal of another goroutine's ends it.
func TestSignalWakesEpollWait(t *testing.T) {
	ep, fd := poller(t), eventFD(t)
	wantFlags(t, fd.Int())
	if e := EpollAdd(ep.Int(), fd.Int(), 0, In); e != 0 {
		t.Fatal(e)
	}
	woken := make(chan Event)
	wait := func() {
		var events [4]Event
		for {
			n, e := EpollWait(ep.Int(), events[:])
			if e == syscall.EINTR {
				continue
			}
			if n != 1 || e != 0 {
				t.Errorf("epoll_wait: %d, %v", n, e)
			}
			woken <- events[0]
			return
		}
	}
	for range 3 {
		go wait()
		select {
		case ev := <-woken:
			t.Fatalf("woken by event %#x of fd %d", ev.Events, ev.Fd)
		case <-time.After(moment):
		}
		Signal(fd.Int())
		Signal(fd.Int())
		select {
		case ev := <-woken:
			if ev.Events != In || int(ev.Fd) != fd.Int() {
				t.Errorf("woken by event %#x of fd %d", ev.Events, ev.Fd)
			}
		case <-time.After(patience):
			t.Fatal("not woken")
		}
		ClearCounter(fd.Int()) // once, however many signals
		if ev, ok := next(ep.Int(), moment); ok {
			t.Fatalf("event %#x after clearing", ev.Events)
		}
	}
	ClearCounter(fd.Int()) // of a counter at zero: does not block
}

func TestTimer(t *testing.T) {
	fd, err := NewTimerFD()
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	wantFlags(t, fd.Int())
	ep := poller(t).Int()
	if e := EpollAdd(ep, fd.Int(), 0, In); e != 0 {
		t.Fatal(e)
	}
	never := func(what string) {
		t.Helper()
		if _, ok := next(ep, moment); ok {
			t.Fatalf("fires %s", what)
		}
	}
	never("before it is set")

	for range 2 {
		const period = 2 * time.Millisecond
		start := time.Now()
		if e := SetTimer(fd.Int(), period); e != 0 {
			t.Fatal(e)
		}
		for i := range 3 {
			if _, ok := next(ep, patience); !ok {
				t.Fatalf("does not fire a %d. time", i+1)
			}
			ClearCounter(fd.Int())
		}
		if took := time.Since(start); took < 3*period {
			t.Errorf("fired 3 times in %v, with a period of %v", took, period)
		}
		if e := SetTimer(fd.Int(), 0); e != 0 {
			t.Fatal(e)
		}
		never("after it was disarmed")
	}

	if e := SetTimer(fd.Int(), time.Hour); e != 0 {
		t.Fatal(e)
	}
	never("before its hour")
	if e := SetTimer(-1, time.Second); e != syscall.EBADF {
		t.Errorf("of nothing: %v", e)
	}
}
