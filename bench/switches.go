package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// switches counts context switches: voluntary ones, in which a thread had to wait, and those in which it was made to.
type switches struct {
	Voluntary, Involuntary int64
}

func (s switches) since(o switches) switches {
	return switches{s.Voluntary - o.Voluntary, s.Involuntary - o.Involuntary}
}

// switchesOf adds up the context switches of all threads of the processes in tree. What threads did that have ended is lost: the proxies here end none under load.
func switchesOf(tree []procStat) switches {
	var sum switches
	for _, s := range tree {
		for _, path := range statusFiles(s.Pid) {
			sum.Voluntary += numberIn(path, "voluntary_ctxt_switches")
			sum.Involuntary += numberIn(path, "nonvoluntary_ctxt_switches")
		}
	}
	return sum
}

// statusFiles names the status file of each thread of a process.
func statusFiles(pid int) []string {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	return paths
}

// ownMemory adds up the memory in bytes that the processes in tree have for themselves, what they share with each other or with others counted in shares (PSS), and what the kernel
// keeps for them not at all.
func ownMemory(tree []procStat) int64 {
	var sum int64
	for _, s := range tree {
		// Without this file, as in some containers, RSS has to do.
		if pss := numberIn(fmt.Sprintf("/proc/%d/smaps_rollup", s.Pid), "Pss"); pss > 0 {
			sum += pss << 10
		} else {
			sum += s.RSS
		}
	}
	return sum
}

// numberIn is the number that follows a key in a file of /proc, or 0: files of what has ended are gone.
func numberIn(path, key string) int64 {
	word, _, _ := strings.Cut(fieldOf(path, key, ":"), " ")
	n, _ := strconv.ParseInt(word, 10, 64)
	return n
}
