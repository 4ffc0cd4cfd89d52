package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// usage is what a process tree has used so far: CPU time, and memory now.
type usage struct {
	// CPU is exact to the nanosecond. User and System are counted by the kernel in ticks, but add up to the same.
	CPU    time.Duration
	User   time.Duration
	System time.Duration
	// RSS is resident memory in bytes, pages shared between processes of the tree counted in each.
	RSS int64
}

func (u usage) add(o usage) usage {
	return usage{u.CPU + o.CPU, u.User + o.User, u.System + o.System, u.RSS + o.RSS}
}

// since is what was used after o was taken; RSS stays what it is.
func (u usage) since(o usage) usage {
	return usage{u.CPU - o.CPU, u.User - o.User, u.System - o.System, u.RSS}
}

// tick is the unit of CPU times in /proc, 1/USER_HZ; USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// procStat is what is needed of a line of /proc/PID/stat. See proc_pid_stat(5).
type procStat struct {
	Pid, Parent  int
	User, System time.Duration // of all threads, also of those that have ended
	Waited       time.Duration // of children that ended and were waited for
	RSS          int64         // bytes
}

// parseStat reads a line of /proc/PID/stat. The second field, the command's name, stands in parentheses and may contain anything, also spaces and parentheses.
func parseStat(line []byte) (procStat, error) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return procStat{}, fmt.Errorf("stat line %q: no command name", line)
	}
	// Fields are numbered as in the manual page, from 1; the first after the name is 3.
	const afterName = 3
	fields := bytes.Fields(line[end+1:])
	var err error
	number := func(field int) int64 {
		if field-afterName >= len(fields) {
			err = errors.New("too few fields")
			return 0
		}
		n, e := strconv.ParseInt(string(fields[field-afterName]), 10, 64)
		if e != nil {
			err = e
		}
		return n
	}
	var s procStat
	if s.Pid, err = strconv.Atoi(string(bytes.TrimSpace(line[:open]))); err == nil {
		s.Parent = int(number(4))
		s.User = time.Duration(number(14)) * tick
		s.System = time.Duration(number(15)) * tick
		s.Waited = time.Duration(number(16)+number(17)) * tick
		s.RSS = number(24) * int64(os.Getpagesize())
	}
	if err != nil {
		return procStat{}, fmt.Errorf("stat line %q: %w", line, err)
	}
	return s, nil
}

// readStats reads the stat line of every process there is. A process that ends meanwhile is left out.
func readStats() ([]procStat, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []procStat
	for _, name := range names {
		if name[0] < '1' || name[0] > '9' {
			continue
		}
		line, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		s, err := parseStat(line)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// treeOf picks the process root and all that descend from it.
func treeOf(all []procStat, root int) []procStat {
	children := map[int][]procStat{}
	var tree []procStat
	for _, s := range all {
		children[s.Parent] = append(children[s.Parent], s)
		if s.Pid == root {
			tree = append(tree, s)
		}
	}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i].Pid]...)
	}
	return tree
}

// usageOf adds up what the processes in tree have used, with what those of their children used that have ended.
func usageOf(tree []procStat) usage {
	var sum usage
	for _, s := range tree {
		u := usage{s.User + s.System, s.User, s.System, s.RSS}
		if exact, ok := cpuClock(s.Pid); ok {
			u.CPU = exact
		}
		u.CPU += s.Waited
		sum = sum.add(u)
	}
	return sum
}

// cpuClock reads the CPU time of a process, all its threads, from its clock: the figure that the kernel rounds to ticks in /proc.
func cpuClock(pid int) (time.Duration, bool) {
	// MAKE_PROCESS_CPUCLOCK of the kernel's include/linux/posix-timers_types.h, with CPUCLOCK_SCHED.
	clock := int32(^pid)<<3 | 2
	var at syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&at)), 0); errno != 0 {
		return 0, false
	}
	return time.Duration(at.Nano()), true
}
