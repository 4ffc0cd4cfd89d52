package loop

import (
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"pen/internal/sys"
)

// How the raw poller waits (measured, docs/performance.md).
const (
	emptyWaits = 2   // raw waits in a row that brought nothing before the loop goes to sleep properly
	eventBatch = 256 // events taken per wait

	// untimed and timed are how long a raw wait may last, in milliseconds. A timeout costs 7 % of a small request's CPU time: a timer is armed and disarmed for each wait. None is needed, because the
	// Go runtime's monitor wants the P back after 10 ms, sends the thread a signal and so ends the wait; unless that is switched off.
	untimed = -1
	timed   = 5
)

// rawPoller waits in the kernel behind the scheduler's back while there is traffic, so that nothing is handed off and nothing has to be handed back, and with an ordinary blocking wait once it is idle,
// so that an idle balancer uses no CPU at all. It needs GOMAXPROCS of at least the number of loops plus one.
type rawPoller struct {
	// constant after open
	epoll *sys.FD
	bell  *sys.FD // eventfd others ring
	clock int     // the descriptor addClock was given
	limit int     // of a raw wait: untimed or timed

	// owned by the loop
	events [eventBatch]sys.Event
	again  bool // soon was asked for

	// atomic: set by whoever rings, cleared by the loop; saves a write per wake beyond the first
	rung atomic.Bool
}

func openRawPoller() (p *rawPoller, err error) {
	p = &rawPoller{limit: untimed}
	if strings.Contains(os.Getenv("GODEBUG"), "asyncpreemptoff=1") {
		p.limit = timed
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.epoll, err = sys.NewEpoll(); err != nil {
		return p, err
	}
	if p.bell, err = sys.NewEventFD(); err != nil {
		return p, err
	}
	return p, refusal("epoll_ctl add", p.add(p.bell.Int(), 0, sys.In|sys.Edge))
}

func (p *rawPoller) add(fd int, serial uint16, events uint32) syscall.Errno {
	return sys.EpollAdd(p.epoll.Int(), fd, serial, events)
}

func (p *rawPoller) addClock(fd int) syscall.Errno {
	p.clock = fd
	return p.add(fd, 0, wantRead)
}

func (p *rawPoller) mod(fd int, serial uint16, events uint32) syscall.Errno {
	return sys.EpollMod(p.epoll.Int(), fd, serial, events)
}

func (p *rawPoller) remove(fd int) { sys.EpollDel(p.epoll.Int(), fd) }

func (p *rawPoller) wake() {
	if p.rung.CompareAndSwap(false, true) && sys.Signal(p.bell.Int()) != 0 {
		p.rung.Store(false) // the next to ring tries again
	}
}

func (p *rawPoller) soon() { p.again = true }

func (p *rawPoller) run(h hooks) {
	empty := 0 // raw waits in a row that brought nothing
	for {
		n, e := p.wait(empty)
		if e != 0 && e != syscall.EINTR {
			h.failed(e)
			time.Sleep(waitRest)
		}
		switch {
		case n == 1 && int(p.events[0].Fd) == p.clock: // time passing is no sign of traffic: an idle loop goes back to sleep at once
		case n > 0:
			empty = 0
		case !p.again: // timed out or interrupted; one that was only a look says nothing about traffic
			empty++
		}
		for i := range n {
			ev := &p.events[i]
			if int(ev.Fd) == p.bell.Int() {
				sys.ClearCounter(p.bell.Int())
				p.rung.Store(false)
				continue
			}
			h.event(int(ev.Fd), uint16(ev.Pad), ev.Events)
		}
		p.again = false
		if !h.turn() {
			return
		}
	}
}

func (p *rawPoller) wait(empty int) (int, syscall.Errno) {
	switch {
	case p.again:
		return sys.EpollWaitRaw(p.epoll.Int(), p.events[:], 0)
	case empty < emptyWaits:
		return sys.EpollWaitRaw(p.epoll.Int(), p.events[:], p.limit)
	}
	return sys.EpollWait(p.epoll.Int(), p.events[:])
}

func (p *rawPoller) close() {
	p.bell.Close()
	p.epoll.Close()
}
