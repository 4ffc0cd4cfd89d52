package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// progress tells how far the benchmark is: on a terminal one line that is written over, elsewhere a line for each measurement. Owned by one goroutine.
type progress struct {
	// constant after newProgress
	out   *os.File
	width int // of the terminal; 0: no terminal

	began   time.Time
	guess   time.Duration // length of one step, until some have been seen
	steps   int
	done    int
	skipped int
	now     string // what is being measured
	last    string // what the latest measurement found
}

func newProgress(out *os.File) *progress {
	return &progress{out: out, width: terminalWidth(out)}
}

// Say shows a line of its own kind, before the measurements.
func (p *progress) Say(text string) { p.show(text) }

// Start begins the measurements: steps of them, of about guess each.
func (p *progress) Start(steps int, guess time.Duration) {
	p.began, p.steps, p.guess = time.Now(), steps, guess
}

// Step shows what is being measured.
func (p *progress) Step(what string) {
	p.now = what
	if p.width == 0 {
		return
	}
	p.show(p.stand() + "  " + what + p.last)
}

// Done takes note of the cell's latest measurement.
func (p *progress) Done(c *cell, u unit) {
	p.done++
	m := c.last()
	found := u.rate(m.Rate)
	if !m.valid() {
		found = "failed: " + m.Error
	}
	p.last = "   (before: " + found + ")"
	if p.width == 0 {
		fmt.Fprintf(p.out, "%s  %s  %s\n", p.stand(), p.now, found)
	}
}

// Skip takes note of a measurement that is left out.
func (p *progress) Skip() { p.skipped++ }

// Clear takes the line off the terminal.
func (p *progress) Clear() { p.show("") }

// stand says how much is done and how long the rest will take.
func (p *progress) stand() string {
	each := p.guess
	if p.done > 0 {
		each = time.Since(p.began) / time.Duration(p.done)
	}
	gone := p.done + p.skipped
	left := (each * time.Duration(p.steps-gone)).Round(time.Second)
	return fmt.Sprintf("%3d%%  %d:%02d left", 100*gone/max(p.steps, 1), int(left.Minutes()), int(left.Seconds())%60)
}

func (p *progress) show(line string) {
	if p.width == 0 {
		if line != "" {
			fmt.Fprintln(p.out, line)
		}
		return
	}
	r := []rune(line)
	fmt.Fprintf(p.out, "\r\x1b[K%s", string(r[:min(len(r), p.width-1)]))
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
