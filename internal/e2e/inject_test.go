package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// injector has the kernel answer calls of one thread with an errno: strace, attached to it. What is injected into is not carried out.
type injector struct {
	t     *testing.T
	cmd   *exec.Cmd
	trace string // a line per call
}

// inject begins: call is a name or several with commas, when is strace's (1: the first call from now on; 1+: each).
func inject(t *testing.T, thread int, call, errno, when string) *injector {
	t.Helper()
	i := &injector{t: t, trace: filepath.Join(t.TempDir(), "trace")}
	said := &logBuffer{}
	i.cmd = exec.Command("strace", "-p", fmt.Sprint(thread), "-o", i.trace, "-e", "signal=none", "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:error=%s:when=%s", call, errno, when))
	i.cmd.Stdout, i.cmd.Stderr = said, said
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.end() })
	eventually(t, startLimit, "strace is attached", func() bool { return strings.Contains(said.String(), "attached") })
	return i
}

// end lets the thread go, and returns how many calls were injected into. It may be called again.
func (i *injector) end() (hits int) {
	i.t.Helper()
	if i.cmd.ProcessState == nil {
		late := time.AfterFunc(stopLimit, func() { _ = i.cmd.Process.Kill() })
		_ = i.cmd.Process.Signal(syscall.SIGTERM)
		_ = i.cmd.Wait() // ends by the signal
		if !late.Stop() {
			i.t.Error("strace does not end")
		}
	}
	return strings.Count(i.text(), "(INJECTED)")
}

func (i *injector) text() string {
	content, _ := os.ReadFile(i.trace)
	return string(content)
}

// firstCPU is a processor that we may run on.
func firstCPU() int { return number(process(os.Getpid()).statusText("Cpus_allowed_list")) }

// pinned is the thread of a loop that was pinned to the processor, by which it is told from the others.
func (b *balancer) pinned(cpu int) (thread int) {
	b.t.Helper()
	eventually(b.t, startLimit, "there is a thread pinned to a processor: it takes a machine of two", func() bool {
		tasks, _ := filepath.Glob(b.path("task/*"))
		for _, task := range tasks {
			content, _ := os.ReadFile(task + "/status")
			if _, after, _ := strings.Cut(string(content), "Cpus_allowed_list:"); strings.HasPrefix(after, fmt.Sprintf("\t%d\n", cpu)) {
				thread = number(filepath.Base(task))
			}
		}
		return thread != 0
	})
	return thread
}
