package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is a process seen through /proc. Its methods return zero for one that is gone.
type process int

func (p process) path(name string) string { return fmt.Sprintf("/proc/%d/%s", int(p), name) }

// links lists what the open descriptors lead to.
func (p process) links() []string {
	var to []string
	names, _ := filepath.Glob(p.path("fd/*"))
	for _, name := range names {
		if l, err := os.Readlink(name); err == nil {
			to = append(to, l)
		}
	}
	return to
}

// sockets counts the open sockets.
func (p process) sockets() (n int) {
	for _, to := range p.links() {
		if strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// statusText reads one line of /proc/PID/status.
func (p process) statusText(key string) string { return p.line("status", key) }

// rss is the resident memory in KiB, summed over the mappings: the figure in /proc/PID/status is kept per CPU and lags behind by some hundred KiB.
func (p process) rss() int { return number(p.line("smaps_rollup", "Rss")) }

// line reads one line of a file of /proc/PID that consists of names, colons and values.
func (p process) line(file, key string) string {
	content, _ := os.ReadFile(p.path(file))
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// status reads the first number of one line of /proc/PID/status, such as "Threads".
func (p process) status(key string) int { return number(p.statusText(key)) }

// number is the number that a text begins with; 0 if it does not.
func number(text string) (n int) {
	_, _ = fmt.Sscan(text, &n)
	return n
}

// stat returns the fields of /proc/PID/stat that follow the command name: index 0 is the state, 1 the parent, 2 the process group, 11 and 12 user and system ticks.
func (p process) stat() []string {
	content, _ := os.ReadFile(p.path("stat"))
	after := strings.LastIndex(string(content), ") ")
	if after < 0 {
		return nil
	}
	return strings.Fields(string(content[after+2:]))
}

// ticks returns the user and system CPU time used so far, in ticks of 10 ms (USER_HZ is 100 on every Linux that Go runs on).
func (p process) ticks() (user, system int) {
	f := p.stat()
	if len(f) < 13 {
		return 0, 0
	}
	user, _ = strconv.Atoi(f[11])
	system, _ = strconv.Atoi(f[12])
	return user, system
}

// busy returns the CPU time that the threads there are have used, to the nanosecond.
func (p process) busy() (sum time.Duration) {
	tasks, _ := filepath.Glob(p.path("task/*/schedstat"))
	for _, task := range tasks {
		content, _ := os.ReadFile(task)
		first, _, _ := strings.Cut(string(content), " ")
		ns, _ := strconv.ParseInt(first, 10, 64)
		sum += time.Duration(ns)
	}
	return sum
}

// listens reports whether the process itself holds a socket that listens on the TCP port or the Unix path. It connects to nothing, so that pen sees no client before the test's first.
func (p process) listens(address string) bool {
	held := map[string]bool{}
	for _, to := range p.links() {
		if inode, ok := strings.CutPrefix(to, "socket:["); ok {
			held[strings.TrimSuffix(inode, "]")] = true
		}
	}
	if strings.Contains(address, "/") {
		content, _ := os.ReadFile(p.path("net/unix"))
		for line := range strings.Lines(string(content)) {
			const acceptsConnections = "00010000" // __SO_ACCEPTCON, in the column of flags
			if f := strings.Fields(line); len(f) > 7 && f[3] == acceptsConnections && f[7] == address && held[f[6]] {
				return true
			}
		}
		return false
	}
	// ss asks the kernel for listening sockets only; /proc/net/tcp has a line for every TIME_WAIT as well, a hundred thousand of them after a load test.
	ss := []string{"ss", "-Hltne", "sport", "=", ":" + address[strings.LastIndex(address, ":")+1:]}
	ours, _ := os.Readlink("/proc/self/ns/net")
	if theirs, _ := os.Readlink(p.path("ns/net")); theirs != ours {
		ss = append([]string{"nsenter", "--net=" + p.path("ns/net")}, ss...)
	}
	out, _ := exec.Command(ss[0], ss[1:]...).Output()
	for _, word := range strings.Fields(string(out)) {
		if inode, ok := strings.CutPrefix(word, "ino:"); ok && held[inode] {
			return true
		}
	}
	return false
}

// processes lists those for which the field of stat (1: parent, 2: group) is the number.
func processes(field, number int) (found []process) {
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		const zombie = "Z"
		if f := process(pid).stat(); len(f) > field && f[field] == strconv.Itoa(number) && f[0] != zombie {
			found = append(found, process(pid))
		}
	}
	return found
}
