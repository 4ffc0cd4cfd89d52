package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// thread is one goroutine of a load that waits in the kernel.
type thread struct {
	fd   atomic.Int64 // the socket it may wait on, plus 1; 0: none. Written by the thread, read by whoever ends the load
	done chan struct{}
}

// use tells that s is the socket to abort if the thread does not come to its end.
func (t *thread) use(s sock) { t.fd.Store(int64(s) + 1) }

// ownThreads lets n goroutines wait in the kernel as runThreads says.
func ownThreads(n int) {
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(n + 2)
}

// runThreads runs n threads. Each has a P of its own, with two more for the rest of the process, and garbage is not collected from here on: see sock. A load makes little, and its
// process ends with it.
func runThreads(n int, body func(i int, t *thread)) load {
	ownThreads(n)
	threads := make([]*thread, n)
	for i := range threads {
		t := &thread{done: make(chan struct{})}
		threads[i] = t
		go func() {
			defer close(t.done)
			body(i, t)
		}()
	}
	return load{finish: func(*outcome) error { return settle(threads) }}
}

// settle waits for the threads to end, and aborts what stands still.
func settle(threads []*thread) error {
	limit := time.NewTimer(settleLimit)
	defer limit.Stop()
	late := 0
	for _, t := range threads {
		if late == 0 {
			select {
			case <-t.done:
				continue
			case <-limit.C:
			}
		}
		select {
		case <-t.done:
		default:
			late++
			if fd := t.fd.Load(); fd > 0 {
				sock(fd - 1).Abort()
			}
		}
	}
	if late > 0 {
		return fmt.Errorf("%d of %d connections stand still", late, len(threads))
	}
	return nil
}
