package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// findStrace returns the path of strace, or an error that names what to install.
func findStrace() (string, error) {
	path, err := lookup("strace")
	if err != nil {
		return "", errors.New("--strace: not installed: apt-get install strace")
	}
	return path, nil
}

// strace counts the system calls of a process tree. What it watches is many times slower meanwhile.
type strace struct {
	child *child
	out   string // the file
}

// startStrace attaches to every thread of the tree of process root, and returns when that is done. The counts will go to the file out.
func startStrace(root int, out string) (*strace, error) {
	path, err := findStrace()
	if err != nil {
		return nil, err
	}
	all, err := readStats()
	if err != nil {
		return nil, err
	}
	argv := []string{path, "-c", "-f", "-qq", "-o", out}
	tree := treeOf(all, root)
	if len(tree) == 0 {
		return nil, fmt.Errorf("start strace: process %d has ended", root)
	}
	for _, p := range tree {
		argv = append(argv, "-p", strconv.Itoa(p.Pid))
	}
	s := &strace{out: out}
	if s.child, err = startChild(command{Argv: argv}); err != nil {
		return nil, fmt.Errorf("start strace: %w", err)
	}
	if err := s.attach(tree); err != nil {
		s.detach()
		return nil, fmt.Errorf("start strace: %w: %s", err, s.child.Said())
	}
	return s, nil
}

// attach waits until every thread of tree is watched.
func (s *strace) attach(tree []procStat) error {
	for deadline := time.Now().Add(startLimit); ; time.Sleep(time.Millisecond) {
		free := 0
		for _, p := range tree {
			for _, path := range statusFiles(p.Pid) {
				if numberIn(path, "TracerPid") == 0 {
					free++
				}
			}
		}
		switch {
		case free == 0:
			return nil
		case s.child.Ended():
			return errors.New("it ended at once")
		case time.Now().After(deadline):
			return fmt.Errorf("%d threads not attached in %v", free, startLimit)
		}
	}
}

// Count detaches and returns how many system calls there were.
func (s *strace) Count() (int64, error) {
	s.detach()
	b, err := os.ReadFile(s.out)
	if err != nil {
		return 0, err
	}
	n := callsIn(string(b))
	if n == 0 {
		return 0, fmt.Errorf("strace counted nothing: %s", s.child.Said())
	}
	return n, nil
}

// detach ends strace, which then writes what it has counted. How it ends is no news: by the signal. It may be called again.
func (s *strace) detach() { _ = s.child.Stop(stopGrace) }

// callsIn adds up the counts in what strace -c says: a line per system call, with the share of time, seconds, microseconds per call, calls, errors if there were any, and the name.
// Its own sum is left out, as its columns differ between versions.
func callsIn(said string) int64 {
	var sum int64
	for line := range strings.Lines(said) {
		f := strings.Fields(line)
		if len(f) < 5 || f[len(f)-1] == "total" {
			continue
		}
		if n, err := strconv.ParseInt(f[3], 10, 64); err == nil {
			sum += n
		}
	}
	return sum
}
