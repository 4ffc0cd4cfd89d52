package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// progress tells how far the benchmark is: on a terminal one line that is written over each second, elsewhere a line for each measurement. Its methods are for one goroutine.
type progress struct {
	// constant after newProgress
	out   *os.File
	width int // of the terminal; 0: no terminal

	mu sync.Mutex
	// guarded by mu
	began  time.Time
	guess  time.Duration // length of one step, until some have been seen
	steps  int
	done   int
	missed int
	now    string    // what is being measured
	since  time.Time // zero: nothing
	last   string    // what the latest measurement found

	// owned by the caller's goroutine; nil: no line is being rewritten
	stop    chan struct{}
	stopped chan struct{}
}

func newProgress(out *os.File) *progress {
	return &progress{out: out, width: terminalWidth(out)}
}

// Say shows a line of its own kind, before the measurements.
func (p *progress) Say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show(text)
}

// Start begins the measurements: steps of them, of about guess each. On a terminal Clear must follow.
func (p *progress) Start(steps int, guess time.Duration) {
	p.mu.Lock()
	p.began, p.steps, p.guess = time.Now(), steps, guess
	p.mu.Unlock()
	if p.width > 0 && p.stop == nil {
		p.stop, p.stopped = make(chan struct{}), make(chan struct{})
		go p.rewrite()
	}
}

// rewrite keeps the time left running on the terminal.
func (p *progress) rewrite() {
	defer close(p.stopped)
	each := time.NewTicker(time.Second)
	defer each.Stop()
	for {
		select {
		case <-p.stop:
			return
		case now := <-each.C:
			p.mu.Lock()
			if p.now != "" {
				p.show(p.line(now))
			}
			p.mu.Unlock()
		}
	}
}

// Step shows what is being measured.
func (p *progress) Step(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now, p.since = what, time.Now()
	if p.width > 0 {
		p.show(p.line(p.since))
	}
}

// Done takes note of the cell's latest measurement.
func (p *progress) Done(c *cell, u unit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.since = time.Time{}
	p.last = found(c.last(), u)
	if p.width == 0 {
		fmt.Fprintf(p.out, "%s  %s  %s\n", p.stand(time.Now()), p.now, p.last)
	}
}

// found says in a few words what a measurement came to.
func found(m measurement, u unit) string {
	switch {
	case !m.valid():
		return "failed: " + m.Error
	case m.Latency != nil:
		return fmt.Sprintf("p50 %s, p99 %s at %s", duration(m.Latency.P50), duration(m.Latency.P99), u.rate(m.Latency.Offered))
	case m.Idle != nil:
		return byteCount(m.Idle.BytesPerConn) + " per connection"
	case m.Storm != nil:
		return fmt.Sprintf("%s served, recovery in %s", grouped(int64(m.Storm.Served)), duration(m.Storm.Recovery))
	}
	return u.rate(m.Rate)
}

// Omit takes note of a measurement that is left out.
func (p *progress) Omit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.missed++
}

// Clear takes the line off the terminal.
func (p *progress) Clear() {
	if p.stop != nil {
		close(p.stop)
		<-p.stopped
		p.stop = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show("")
}

// line is what the terminal shows during a measurement.
func (p *progress) line(now time.Time) string {
	const cells = 16
	full := min(cells, cells*(p.done+p.missed)/max(p.steps, 1))
	line := strings.Repeat("█", full) + strings.Repeat("░", cells-full) + " " + p.stand(now) + "  " + p.now
	if p.last != "" {
		line += "   (before: " + p.last + ")"
	}
	return line
}

// stand says how much is done and how long the rest will take, each step as long as those before it on average.
func (p *progress) stand(now time.Time) string {
	each := p.guess
	var running time.Duration
	if !p.since.IsZero() {
		running = now.Sub(p.since)
	}
	if p.done > 0 {
		each = (now.Sub(p.began) - running) / time.Duration(p.done)
	}
	gone := p.done + p.missed
	left := each*time.Duration(p.steps-gone) - min(running, each)
	return fmt.Sprintf("%3d%%  %s left", 100*gone/max(p.steps, 1), minutes(max(0, left)))
}

func (p *progress) show(line string) {
	if p.width == 0 {
		if line != "" {
			fmt.Fprintln(p.out, line)
		}
		return
	}
	fmt.Fprint(p.out, "\r\x1b[K"+shorten(line, p.width-1))
}

// terminalWidth is the number of columns of a terminal, or 0 if f is none.
func terminalWidth(f *os.File) int {
	var size struct{ rows, cols, x, y uint16 }
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size))); errno != 0 {
		return 0
	}
	if size.cols == 0 {
		const usual = 80
		return usual
	}
	return int(size.cols)
}
