package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// awaitGone waits until no process with this id is left, zombies aside: in a container without a proper init they stay.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		line := contents(fmt.Sprintf("/proc/%d/stat", pid))
		if line == "" || strings.HasPrefix(line[strings.LastIndexByte(line, ')')+1:], " Z") {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

func TestChildSaysAndEnds(t *testing.T) {
	c, err := startChild(command{Argv: []string{"sh", "-c", "echo one; echo two >&2; exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(context.Background()); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("ended with %v", err)
	}
	if c.Said() != "one two" || !c.Ended() {
		t.Errorf("said %q", c.Said())
	}
}

func TestStop(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		killed bool
	}{
		"ends on SIGTERM":     {"echo up; exec sleep 600", false},
		"has to be killed":    {"trap '' TERM; echo up; while :; do sleep 0.01; done", true},
		"leaves a grandchild": {"sleep 600 & echo up; exec sleep 600", false},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := startChild(command{Argv: []string{"sh", "-c", c.script}})
			if err != nil {
				t.Fatal(err)
			}
			for p.Said() != "up" {
				time.Sleep(time.Millisecond)
			}
			all, err := readStats()
			if err != nil {
				t.Fatal(err)
			}
			tree := treeOf(all, p.Pid())
			if err := p.Stop(200 * time.Millisecond); (err != nil) != c.killed {
				t.Errorf("Stop says %v", err)
			}
			for _, s := range tree {
				awaitGone(t, s.Pid)
			}
		})
	}
}

// A parent that is killed takes its children along.
func TestChildDiesWithParent(t *testing.T) {
	said, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	in, keep, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer keep.Close()
	parent, err := startChild(command{Argv: roleArgv("parent"), Stdin: in, Stdout: out})
	in.Close()
	out.Close()
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	line, err := bufio.NewReader(said).ReadString('\n')
	if _, e := fmt.Sscan(line, &pid); err != nil || e != nil {
		t.Fatalf("%q: %v: %s", line, err, parent.Said())
	}
	// Only the parent itself: its child stands in a group of its own.
	if err := parent.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, pid)
	<-parent.ended
}

func TestTailKeepsTheEnd(t *testing.T) {
	var l tail
	for i := range 1000 {
		fmt.Fprintf(&l, "line %d\n", i)
	}
	if s := l.String(); len(s) != saidLimit || !strings.HasSuffix(s, "line 998\nline 999\n") {
		t.Errorf("%d bytes, %q", len(s), s)
	}
}
