package loop

import (
	"fmt"
	"syscall"
	"time"

	"pen/internal/sys"
)

// Interests of a descriptor: edge-triggered, but for listeners. Those are reported for as long as connections wait, so that there need not be an accept that finds nobody only to be sure of the next edge;
// such an accept is dear, since the kernel makes the new descriptor first. For the same reason a connection to a listener that loops share (a Unix socket's, or one inherited) wakes one of those that wait and
// not all; gnet's poller cannot ask for that.
const (
	wantAccept = sys.In | sys.Exclusive
	wantRead   = sys.In | urgent | sys.RdHup | sys.Edge
	wantBoth   = wantRead | sys.Out
	wantEnd    = sys.RdHup | sys.Edge // of a connection that is not read; gnet's poller reports what comes as well

	urgent = syscall.EPOLLPRI // there is an urgent mark in what is to be read
)

// poller waits for events. One goroutine runs it; wake alone may be called from others.
type poller interface {
	add(fd int, serial uint16, events uint32) syscall.Errno
	addClock(fd int) syscall.Errno // a timer to be read from: its events are not traffic
	mod(fd int, serial uint16, events uint32) syscall.Errno
	remove(fd int) // what was added and is going to be added again; closing removes as well
	wake()         // the turn hook runs soon, at least once after this call
	soon()         // the same, asked for by the poller's own goroutine from within a hook
	run(h hooks)   // until turn answers false
	close()        // after run has returned, or instead of it
}

// hooks are a loop's two entrances: event for each event, turn between two events or batches of them whenever wake or soon asked for it (it may also run when nobody did).
// Between two turns in a row all events that are there are delivered.
//
// An event brings back the serial its descriptor was registered with, from a poller that can, so that one of a former owner of the descriptor is told from the present one's. Serial 0 is from a poller
// that cannot: such an event is no more than a hint.
//
// failed is told of a wait that the kernel refused. The poller rests for waitRest, takes its turn and tries again: a loop that cannot wait neither ends nor goes round and round.
type hooks interface {
	event(fd int, serial uint16, events uint32)
	turn() (running bool)
	failed(e syscall.Errno)
}

// waitRest is how long a poller rests after a wait that was refused.
const waitRest = 100 * time.Millisecond

// Pollers names the kinds openPoller takes, the default first.
var Pollers = []string{"raw", "gnet"}

func openPoller(kind string) (poller, error) {
	switch kind {
	case "raw":
		return openRawPoller()
	case "gnet":
		return openGnetPoller()
	}
	return nil, fmt.Errorf("poller %q: expected raw or gnet", kind)
}
