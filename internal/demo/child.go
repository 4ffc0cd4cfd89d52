package demo

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// child is the balancer's process.
type child struct {
	// constant after startChild
	cmd     *exec.Cmd
	journal *journal
	done    chan struct{} // closed when the process has ended and its output has been read
}

// startChild runs the balancer. It dies with this process, however that ends, and a Ctrl-C on the terminal does not reach it: Stop is what ends it.
func startChild(path string, args []string) (*child, error) {
	c := &child{cmd: exec.Command(path, args...), journal: newJournal(), done: make(chan struct{})}
	c.cmd.Stdout = c.journal
	c.cmd.Stderr = c.journal
	c.cmd.WaitDelay = time.Second
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go c.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the balancer: %w", err)
	}
	return c, nil
}

// run starts the process and waits for it. It keeps its thread all the while: the kernel sends the parent-death signal when the *thread* that forked ends (prctl(2)).
func (c *child) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	c.cmd.Wait() // its verdict is in ProcessState
	c.journal.Flush()
	close(c.done)
}

// Signal sends sig; to a process that has ended it does nothing.
func (c *child) Signal(sig os.Signal) { c.cmd.Process.Signal(sig) }

// Stop returns when the process has ended, at latest when timeout has passed and it has been killed. The caller has sent TERM.
func (c *child) Stop(timeout time.Duration) {
	patience := time.NewTimer(timeout)
	defer patience.Stop()
	select {
	case <-c.done:
	case <-patience.C:
		c.cmd.Process.Kill()
		<-c.done
	}
}

// Ending says how the process ended: "exit status 64", "signal: killed". Only after done.
func (c *child) Ending() string { return c.cmd.ProcessState.String() }

// ExitCode is the process's exit code, exitFailed if a signal ended it. Only after done.
func (c *child) ExitCode() int {
	if code := c.cmd.ProcessState.ExitCode(); code >= 0 {
		return code
	}
	return exitFailed
}

// CommandLine is what was run, quoted for a shell.
func (c *child) CommandLine() string {
	words := make([]string, len(c.cmd.Args))
	for i, arg := range c.cmd.Args {
		words[i] = shellQuote(arg)
	}
	return strings.Join(words, " ")
}

const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./:,@%"

func shellQuote(word string) string {
	if word != "" && strings.Trim(word, shellSafe) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
