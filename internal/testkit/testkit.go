// Package testkit holds what every test binary of the house shares: a TestMain that fails the run when a file descriptor or a goroutine is left behind.
// Only test files import it.
package testkit

import (
	"bytes"
	"fmt"
	"os"
	"runtime/pprof"
	"sort"
	"strings"
	"testing"
	"time"
)

// settle bounds how long Main waits for goroutines and descriptors that are already on their way out.
const settle = 5 * time.Second

// LeakExit is the exit status of a run whose tests passed but left something behind.
const LeakExit = 99

// Main runs the tests and exits. It compares open descriptors and goroutines with those from before the first test, and exits with LeakExit, naming what is left, if there are more.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main without the exit, for a TestMain that has its own things to put away afterwards.
func Run(m *testing.M) int {
	warmUp()
	before := Descriptors()
	code := m.Run()
	if code != 0 {
		return code
	}
	if left := waitFor(func() []string { return newDescriptors(before) }); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "leaked descriptors:\n\t%s\n", strings.Join(left, "\n\t"))
		return LeakExit
	}
	if left := waitFor(strayGoroutines); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "leaked goroutines:\n%s\n", strings.Join(left, "\n\n"))
		return LeakExit
	}
	return 0
}

// warmUp makes the runtime open the descriptors it keeps for good (its own epoll and eventfd), so that they are not taken for leaks.
func warmUp() {
	r, w, err := os.Pipe()
	if err != nil {
		return
	}
	r.Close()
	w.Close()
}

// Descriptors lists the open descriptors of this process as number → what /proc says it is.
func Descriptors() map[string]string {
	open := map[string]string{}
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return open
	}
	names, _ := dir.Readdirnames(-1)
	dir.Close()
	for _, n := range names {
		if to, err := os.Readlink("/proc/self/fd/" + n); err == nil {
			open[n] = to
		}
	}
	return open
}

func newDescriptors(before map[string]string) []string {
	var left []string
	for n, to := range Descriptors() {
		if before[n] != to {
			left = append(left, n+" → "+to)
		}
	}
	sort.Strings(left)
	return left
}

// strayGoroutines returns the stacks of goroutines that neither the runtime nor the testing package owns.
func strayGoroutines() []string {
	var buf bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&buf, 2)
	var stray []string
	for _, g := range strings.Split(strings.TrimSpace(buf.String()), "\n\n") {
		if strings.Contains(g, "testkit.strayGoroutines") || strings.Contains(g, "os/signal.signal_recv") ||
			strings.Contains(g, "os/signal.loop") || strings.Contains(g, "testing.(*M).startAlarm") || strings.Contains(g, "internal/fuzz") {
			continue
		}
		stray = append(stray, g)
	}
	return stray
}

func waitFor(left func() []string) []string {
	deadline := time.Now().Add(settle)
	for {
		l := left()
		if len(l) == 0 || time.Now().After(deadline) {
			return l
		}
		time.Sleep(5 * time.Millisecond)
	}
}
