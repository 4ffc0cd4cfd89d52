package loop

import (
	gneterrors "github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"github.com/panjf2000/gnet/v2/pkg/queue"

	"pen/internal/sys"
)

// gnetPoller is the library path: gnet's own poller, the reference the raw one is measured against.
type gnetPoller struct {
	// constant after open
	poll *netpoll.Poller
	task queue.Func // p.turn, made once: a method value would be allocated at each wake

	// owned by the loop
	hooks hooks
	again bool // a turn is queued already
}

func openGnetPoller() (*gnetPoller, error) {
	poll, err := netpoll.OpenPoller()
	if err != nil {
		return nil, err
	}
	p := &gnetPoller{poll: poll}
	p.task = p.turn
	return p, nil
}

func (p *gnetPoller) add(fd int, events uint32) error {
	at := &netpoll.PollAttachment{FD: fd}
	if events&sys.Out != 0 {
		return p.poll.AddReadWrite(at, true)
	}
	return p.poll.AddRead(at, true)
}

func (p *gnetPoller) mod(fd int, events uint32) error {
	at := &netpoll.PollAttachment{FD: fd}
	if events&sys.Out != 0 {
		return p.poll.ModReadWrite(at, true)
	}
	return p.poll.ModRead(at, true)
}

// wake queues a turn behind the events of the batch under way; gnet folds many into one write of its eventfd.
func (p *gnetPoller) wake() { _ = p.poll.Trigger(queue.HighPriority, p.task, nil) }

func (p *gnetPoller) soon() {
	if !p.again {
		p.again = true
		p.wake()
	}
}

func (p *gnetPoller) turn(any) error {
	p.again = false
	if !p.hooks.turn() {
		return gneterrors.ErrEngineShutdown // the one answer that ends gnet's loop
	}
	return nil
}

func (p *gnetPoller) run(h hooks) {
	p.hooks = h
	p.wake() // what was posted before the loop ran
	_ = p.poll.Polling(func(fd int, events netpoll.IOEvent, _ netpoll.IOFlags) error {
		h.event(fd, events)
		return nil
	})
}

func (p *gnetPoller) close() { _ = p.poll.Close() }
