package loop

import (
	"sync/atomic"

	gneterrors "github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"

	"pen/internal/sys"
)

// gnetPoller is the library path: gnet's own poller, the reference the raw one is measured against.
//
// Turns are asked for through an eventfd of ours, as an event among others. gnet's own task queue will not do: it is emptied before the next wait, tasks queued by tasks included,
// so that a connection with always more to do would keep the loop from its events.
type gnetPoller struct {
	// constant after open
	poll *netpoll.Poller
	bell *sys.FD

	// atomic: set by whoever rings, cleared by the loop; saves a write per wake beyond the first
	rung atomic.Bool
}

func openGnetPoller() (poller, error) {
	bell, err := sys.NewEventFD()
	if err != nil {
		return nil, err
	}
	poll, err := netpoll.OpenPoller()
	if err != nil {
		bell.Close()
		return nil, err
	}
	p := &gnetPoller{poll: poll, bell: bell}
	if err := p.add(bell.Int(), 0, wantRead); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *gnetPoller) add(fd int, _ uint16, events uint32) error {
	at := &netpoll.PollAttachment{FD: fd}
	if events&sys.Out != 0 {
		return p.poll.AddReadWrite(at, true)
	}
	return p.poll.AddRead(at, events&sys.Edge != 0)
}

func (p *gnetPoller) addClock(fd int) error { return p.add(fd, 0, wantRead) }

func (p *gnetPoller) mod(fd int, _ uint16, events uint32) error {
	at := &netpoll.PollAttachment{FD: fd}
	if events&sys.Out != 0 {
		return p.poll.ModReadWrite(at, true)
	}
	return p.poll.ModRead(at, true)
}

func (p *gnetPoller) remove(fd int) { _ = p.poll.Delete(fd) }

func (p *gnetPoller) wake() {
	if p.rung.CompareAndSwap(false, true) {
		sys.Signal(p.bell.Int())
	}
}

func (p *gnetPoller) soon() { p.wake() }

func (p *gnetPoller) run(h hooks) {
	p.wake() // what was posted before the loop ran
	_ = p.poll.Polling(func(fd int, events netpoll.IOEvent, _ netpoll.IOFlags) error {
		if fd != p.bell.Int() {
			h.event(fd, 0, events)
			return nil
		}
		p.rung.Store(false) // the counter need not be read back: each write is a new edge
		if !h.turn() {
			return gneterrors.ErrEngineShutdown // the one answer that ends gnet's loop
		}
		return nil
	})
}

func (p *gnetPoller) close() {
	_ = p.poll.Close()
	p.bell.Close()
}
