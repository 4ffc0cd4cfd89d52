package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// roleWord as the first argument makes this binary play one of the other parts of a measurement.
const roleWord = "role"

// playRole runs the named part on standard input and output and returns the exit status.
func playRole(name string) int {
	var err error
	switch name {
	case "servers":
		err = playServers(os.Stdin, os.Stdout)
	case "load":
		err = playLoad(os.Stdin, os.Stdout)
	default:
		err = fmt.Errorf("no role %q", name)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return exitFailed
	}
	return 0
}

// serverCount gives the proxies something to balance, and four times the ports of one server for the connections to them.
const serverCount = 4

// playServers runs the servers, says their addresses on one line of out, and ends when in does.
func playServers(in io.Reader, out io.Writer) error {
	s, err := startServers(serverCount)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, strings.Join(s.Addrs, " "))
	_, _ = io.Copy(io.Discard, in)
	return s.Close()
}

// playLoad reads a job from in, does it and writes its outcome to out.
func playLoad(in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	o, err := j.run()
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(o)
}

// serverChild is the process in which the servers run.
type serverChild struct {
	*child
	addrs []string
}

func startServerChild() (*serverChild, error) {
	in, keep, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	said, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c, err := startChild(command{Argv: roleArgv("servers"), Stdin: in, Stdout: out, Owned: []io.Closer{keep, said}})
	in.Close()
	out.Close()
	if err != nil {
		return nil, fmt.Errorf("start servers: %w", err)
	}
	_ = said.SetReadDeadline(time.Now().Add(startLimit))
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		c.Stop(0)
		return nil, fmt.Errorf("start servers: %w: %s", err, c.Said())
	}
	return &serverChild{c, strings.Fields(line)}, nil
}

// drive has a load child do j. Its error says what kept the load from being done; errors that the load met are in the outcome.
func drive(ctx context.Context, j job) (outcome, error) {
	in, err := json.Marshal(j)
	if err != nil {
		return outcome{}, err
	}
	var out strings.Builder
	c, err := startChild(command{Argv: roleArgv("load"), Stdin: strings.NewReader(string(in)), Stdout: &out,
		// Load threads wait in the kernel without telling the scheduler, so its signals would only interrupt them.
		Env: append(os.Environ(), "GODEBUG=asyncpreemptoff=1")})
	if err != nil {
		return outcome{}, fmt.Errorf("start load: %w", err)
	}
	limit, cancel := context.WithTimeout(ctx, j.limit())
	defer cancel()
	if err := c.Wait(limit); err != nil {
		c.Stop(0)
		if ctx.Err() == nil && limit.Err() != nil {
			err = fmt.Errorf("load took longer than %v", j.limit())
		}
		return outcome{}, c.explain(err)
	}
	var o outcome
	if err := json.Unmarshal([]byte(out.String()), &o); err != nil {
		return outcome{}, c.explain(fmt.Errorf("read what load says: %w", err))
	}
	return o, nil
}

// roleArgv is the command line that makes this very binary play a part, even if its file has gone meanwhile (go run deletes it at the end).
func roleArgv(name string) []string { return []string{"/proc/self/exe", roleWord, name} }

// fileLimit is how many files the children may have open.
func fileLimit() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0
	}
	const plenty = 1 << 30
	return int(min(l.Cur, plenty))
}

// raiseDescriptorLimit raises the soft limit to the hard one, for the children: what Go raised for itself by itself it takes back when it starts them.
func raiseDescriptorLimit() {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		l.Cur = l.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	}
}
