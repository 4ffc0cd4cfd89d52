package loop

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	gneterrors "github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/panjf2000/gnet/v2/pkg/logging"
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

// hush keeps gnet from writing to stderr in its own form, with a stack each time, what failed is told of.
var hush = sync.OnceFunc(func() { logging.SetDefaultLoggerAndFlusher(silence{}, nil) })

// silence is a logger for gnet.
type silence struct{}

func (silence) Debugf(string, ...any) {}
func (silence) Infof(string, ...any)  {}
func (silence) Warnf(string, ...any)  {}
func (silence) Errorf(string, ...any) {}
func (silence) Fatalf(string, ...any) {}

func openGnetPoller() (poller, error) {
	hush()
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
	if e := p.add(bell.Int(), 0, wantRead); e != 0 {
		p.close()
		return nil, refusal("epoll_ctl add", e)
	}
	return p, nil
}

func (p *gnetPoller) add(fd int, _ uint16, events uint32) syscall.Errno {
	at := &netpoll.PollAttachment{FD: fd}
	if events&sys.Out != 0 {
		return number(p.poll.AddReadWrite(at, true))
	}
	return number(p.poll.AddRead(at, events&sys.Edge != 0))
}

// number is the errno in one of gnet's errors.
func number(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	e := syscall.EIO
	errors.As(err, &e)
	return e
}

func (p *gnetPoller) addClock(fd int) syscall.Errno { return p.add(fd, 0, wantRead) }

func (p *gnetPoller) mod(fd int, _ uint16, events uint32) syscall.Errno {
	at := &netpoll.PollAttachment{FD: fd}
	if events&sys.Out != 0 {
		return number(p.poll.ModReadWrite(at, true))
	}
	return number(p.poll.ModRead(at, true))
}

func (p *gnetPoller) remove(fd int) { _ = p.poll.Delete(fd) }

func (p *gnetPoller) wake() {
	if p.rung.CompareAndSwap(false, true) && sys.Signal(p.bell.Int()) != 0 {
		p.rung.Store(false) // the next to ring tries again
	}
}

func (p *gnetPoller) soon() { p.wake() }

func (p *gnetPoller) run(h hooks) {
	p.wake() // what was posted before the loop ran
	for {
		err := p.poll.Polling(func(fd int, events netpoll.IOEvent, _ netpoll.IOFlags) error {
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
		if errors.Is(err, gneterrors.ErrEngineShutdown) {
			return
		}
		h.failed(number(err))
		time.Sleep(waitRest)
		if !h.turn() {
			return
		}
	}
}

func (p *gnetPoller) close() {
	_ = p.poll.Close()
	p.bell.Close()
}
