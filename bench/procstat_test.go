package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// statLine is a line of /proc/PID/stat with fields that differ from each other.
func statLine(pid int, name string, parent, user, system, waitedUser, waitedSystem, pages int) string {
	f := make([]string, 50)
	for i := range f {
		f[i] = fmt.Sprint(900 + i)
	}
	f[0] = "S"
	f[4-3], f[14-3], f[15-3], f[16-3], f[17-3], f[24-3] = fmt.Sprint(parent), fmt.Sprint(user), fmt.Sprint(system), fmt.Sprint(waitedUser), fmt.Sprint(waitedSystem), fmt.Sprint(pages)
	return fmt.Sprintf("%d (%s) %s\n", pid, name, strings.Join(f, " "))
}

func TestParseStat(t *testing.T) {
	want := procStat{Pid: 42, Parent: 7, User: 1230 * time.Millisecond, System: 450 * time.Millisecond, Waited: 30 * time.Millisecond, RSS: int64(100 * os.Getpagesize())}
	for _, name := range []string{"pen", "a b", "x) S 1 (y", ")", "((", "", "S 1 1 1"} {
		got, err := parseStat([]byte(statLine(42, name, 7, 123, 45, 1, 2, 100)))
		if err != nil || got != want {
			t.Errorf("name %q: %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestParseStatRefuses(t *testing.T) {
	for _, line := range []string{"", "42", "42 (x", "42 (x) S 1", "x (y) " + strings.Repeat("1 ", 50), "42 (x) " + strings.Repeat("z ", 50), ") ("} {
		if got, err := parseStat([]byte(line)); err == nil {
			t.Errorf("%q: %+v, want an error", line, got)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte(statLine(1, "init", 0, 1, 2, 3, 4, 5)))
	f.Add([]byte("1 () S"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if s, err := parseStat(line); err != nil && s != (procStat{}) {
			t.Errorf("%q: %+v beside an error", line, s)
		}
	})
}

func TestTree(t *testing.T) {
	// 10 ─┬─ 11 ── 13        20 ── 21
	//     └─ 12
	var all []procStat
	for _, p := range [][2]int{{13, 11}, {21, 20}, {11, 10}, {1, 0}, {10, 1}, {12, 10}, {20, 1}} {
		all = append(all, procStat{Pid: p[0], Parent: p[1]})
	}
	pids := map[int]bool{}
	for _, s := range treeOf(all, 10) {
		pids[s.Pid] = true
	}
	if len(pids) != 4 || !pids[10] || !pids[11] || !pids[12] || !pids[13] {
		t.Errorf("tree of 10: %v", pids)
	}
	if tree := treeOf(all, 99); len(tree) != 0 {
		t.Errorf("tree of a process that is not there: %v", tree)
	}
}

func TestUsageAddsUp(t *testing.T) {
	// Processes that are not there have no clock, so that the ticks count. PID_MAX_LIMIT of the kernel is 1<<22.
	const noSuchPid = 1<<22 + 1
	gone := []procStat{
		{Pid: noSuchPid, User: 100 * tick, System: 50 * tick, Waited: 10 * tick, RSS: 1000},
		{Pid: noSuchPid + 1, User: 1 * tick, System: 2 * tick, RSS: 30},
	}
	if got, want := usageOf(gone), (usage{163 * tick, 101 * tick, 52 * tick, 1030}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := usageOf(gone).since(usageOf(gone[1:])), (usage{160 * tick, 100 * tick, 50 * tick, 1030}); got != want {
		t.Errorf("since: %+v, want %+v", got, want)
	}
}

// The exact clock and the ticks tell the same of a process that works.
func TestUsageOfOurselves(t *testing.T) {
	self := func() (usage, procStat) {
		all, err := readStats()
		if err != nil {
			t.Fatal(err)
		}
		tree := treeOf(all, os.Getpid())
		if len(tree) == 0 {
			t.Fatal("we are not in /proc")
		}
		return usageOf(tree[:1]), tree[0]
	}
	before, _ := self()
	burn(100 * time.Millisecond)
	after, stat := self()
	if used := after.since(before).CPU; used < 100*time.Millisecond || used > 30*time.Second {
		t.Errorf("burnt 100ms, counted %v", used)
	}
	if off := (after.CPU - stat.User - stat.System - stat.Waited).Abs(); off > 20*tick {
		t.Errorf("clock says %v, ticks %v", after.CPU, stat.User+stat.System)
	}
	if after.RSS < 1<<20 || after.RSS > 1<<34 {
		t.Errorf("RSS %d", after.RSS)
	}
}

// burn uses at least d of CPU time of this process.
func burn(d time.Duration) {
	start, _ := cpuClock(os.Getpid())
	for x := 1; ; x++ {
		if x%1000 != 0 {
			continue
		}
		if now, ok := cpuClock(os.Getpid()); !ok || now-start >= d {
			return
		}
	}
}
