package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// startLimit bounds how long a child may take until it does its work.
	startLimit = 5 * time.Second
	// stopGrace is how long a child may take to end after SIGTERM.
	stopGrace = 3 * time.Second
	// saidLimit is how many bytes of what a child says last are kept.
	saidLimit = 300
)

// command says how a child is started.
type command struct {
	Argv   []string
	Env    []string // nil: ours
	Stdin  io.Reader
	Stdout io.Writer // nil: kept together with stderr
	// DeathSignal is what the kernel sends the child when we die, however we die. Zero means SIGKILL; a proxy with worker processes gets the signal on which it ends them.
	DeathSignal syscall.Signal
	Owned       []io.Closer // closed when the child has ended
}

// child is a process that cannot outlive this one. It stands in a process group of its own, so that ^C on the terminal comes to us alone, and we end it.
type child struct {
	// constant after startChild
	cmd   *exec.Cmd
	ended chan struct{}

	said tail

	// set before ended is closed
	err error
}

// startChild starts a command. The death signal fires when the thread that forked ends, not the process; that comes to the same, as Go ends only threads whose goroutine ended
// locked to them, and this process locks none.
func startChild(c command) (*child, error) {
	p := &child{cmd: exec.Command(c.Argv[0], c.Argv[1:]...), ended: make(chan struct{})}
	death := c.DeathSignal
	if death == 0 {
		death = syscall.SIGKILL
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: death, Setpgid: true}
	hear, say, err := os.Pipe()
	if err != nil {
		closeAll(c.Owned)
		return nil, err
	}
	p.cmd.Env, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = c.Env, c.Stdin, c.Stdout, say
	if c.Stdout == nil {
		p.cmd.Stdout = say
	}
	owned := append(c.Owned, hear)
	err = p.cmd.Start()
	say.Close()
	if err != nil {
		closeAll(owned)
		return nil, err
	}
	go p.reap(hear, owned)
	return p, nil
}

// reap waits for the child's end and puts away what is left of it. The pipe is ours and not package exec's, whose Wait would wait until grandchildren have closed it too.
func (p *child) reap(hear *os.File, owned []io.Closer) {
	heard := make(chan struct{})
	go func() {
		_, _ = io.Copy(&p.said, hear)
		close(heard)
	}()
	p.err = p.cmd.Wait()
	// Whatever of the group is left has lost its parent.
	_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
	// A grandchild that has left the group may still hold the pipe.
	_ = hear.SetReadDeadline(time.Now().Add(time.Second))
	<-heard
	closeAll(owned)
	close(p.ended)
}

func closeAll(owned []io.Closer) {
	for _, o := range owned {
		o.Close()
	}
}

// Pid is the child's process id, which is its group's too.
func (p *child) Pid() int { return p.cmd.Process.Pid }

// Said returns the last of what the child wrote to stderr, on one line.
func (p *child) Said() string { return strings.Join(strings.Fields(p.said.String()), " ") }

// explain adds what the child said last to an error.
func (p *child) explain(err error) error {
	if said := p.Said(); said != "" {
		return fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// Wait returns when the child has ended, with its error, or when ctx has.
func (p *child) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ended reports whether the child has ended, without waiting.
func (p *child) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Stop ends the child: SIGTERM, and after grace SIGKILL to its whole group. It returns when the child has ended, with an error if it had to be killed.
func (p *child) Stop(grace time.Duration) error {
	if grace > 0 {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
			return nil
		case <-time.After(grace):
		}
	}
	_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
	<-p.ended
	return fmt.Errorf("killed: it did not end within %v of SIGTERM", grace)
}

// tail keeps the end of what is written to it. Safe for concurrent use.
type tail struct {
	mu  sync.Mutex
	buf []byte // guarded by mu
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - saidLimit; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
