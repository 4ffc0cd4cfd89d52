package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func self(t *testing.T) []procStat {
	t.Helper()
	all, err := readStats()
	if err != nil {
		t.Fatal(err)
	}
	return treeOf(all, os.Getpid())[:1]
}

func TestSwitchesOf(t *testing.T) {
	before := switchesOf(self(t))
	// Each turn waits for another process.
	for range 5 {
		if err := exec.Command("true").Run(); err != nil {
			t.Fatal(err)
		}
	}
	if s := switchesOf(self(t)).since(before); s.Voluntary < 5 || s.Involuntary < 0 {
		t.Errorf("%+v", s)
	}
	if s := switchesOf([]procStat{{Pid: 1<<22 + 1}}); s != (switches{}) {
		t.Errorf("a process that is not there: %+v", s)
	}
}

func TestOwnMemory(t *testing.T) {
	before := ownMemory(self(t))
	// Not of Go's heap, which may have as much to spare.
	const size = 64 << 20
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < size; i += 4096 {
		b[i] = 1
	}
	after := ownMemory(self(t))
	if err := syscall.Munmap(b); err != nil {
		t.Fatal(err)
	}
	// What is collected meanwhile makes it less.
	if grown := after - before; grown < size/2 || grown > 2*size {
		t.Errorf("%d bytes more, after %d were used", grown, size)
	}
	if got := ownMemory([]procStat{{Pid: 1<<22 + 1, RSS: 4096}}); got != 4096 {
		t.Errorf("without smaps_rollup: %d", got)
	}
}

func TestNumberIn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("Pss_Dirty:  7 kB\nPss:    299 kB\nvoluntary_ctxt_switches:\t12\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]int64{"Pss": 299, "voluntary_ctxt_switches": 12, "nonvoluntary_ctxt_switches": 0} {
		if got := numberIn(file, key); got != want {
			t.Errorf("%s: %d, want %d", key, got, want)
		}
	}
}

const straceSaid = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 61.50    0.012345           1     10000           epoll_pwait
 30.00    0.006000           2      3000       500 recvfrom
  8.50    0.001700          17       100           close
------ ----------- ----------- --------- --------- ----------------
100.00    0.020045           1     13100       500 total
`

func TestCallsIn(t *testing.T) {
	for said, want := range map[string]int64{straceSaid: 13100, "": 0, "strace: attach: no\n": 0} {
		if got := callsIn(said); got != want {
			t.Errorf("%d, want %d in\n%s", got, want, said)
		}
	}
}

// strace counts what happens between its start and Count, in the whole tree.
func TestStrace(t *testing.T) {
	in, say, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer say.Close()
	echo, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	c, err := startChild(command{Argv: []string{"sh", "-c", "cat; true"}, Stdin: in, Stdout: out})
	in.Close()
	out.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop(0)
	turn := func() {
		b := make([]byte, 1)
		if _, err := say.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := echo.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		turn()
	}
	s, err := startStrace(c.Pid(), filepath.Join(t.TempDir(), "counts"))
	if err != nil {
		t.Fatal(err)
	}
	const turns = 50
	for range turns {
		turn()
	}
	n, err := s.Count()
	// A read and a write for each; the calls that were going on at the start and the end may count too.
	if err != nil || n < 2*turns-1 || n > 2*turns+8 {
		t.Errorf("%d calls, %v", n, err)
	}
	turn()
}

func TestStraceOfNothing(t *testing.T) {
	c, err := startChild(command{Argv: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	<-c.ended
	began := time.Now()
	if _, err := startStrace(c.Pid(), filepath.Join(t.TempDir(), "counts")); err == nil || !strings.Contains(err.Error(), "start strace") {
		t.Errorf("attached to a process that has ended: %v", err)
	}
	if d := time.Since(began); d > startLimit {
		t.Errorf("took %v", d)
	}
}
