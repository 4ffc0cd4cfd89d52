package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machine is what the figures were measured on.
type machine struct {
	CPU    string  `json:"cpu"`
	Cores  int     `json:"cores"` // that this process may use
	Memory int64   `json:"memory_bytes"`
	OS     string  `json:"os"`
	Kernel string  `json:"kernel"`
	Go     string  `json:"go"`
	Busy   float64 `json:"busy_cores"` // with other work, before the first measurement
	Time   string  `json:"time"`
}

func thisMachine() machine {
	m := machine{
		CPU:    fieldOf("/proc/cpuinfo", "model name", ":"),
		Cores:  runtime.NumCPU(),
		OS:     strings.Trim(fieldOf("/etc/os-release", "PRETTY_NAME", "="), `"`),
		Kernel: firstLine(contents("/proc/sys/kernel/osrelease")),
		Go:     runtime.Version() + " " + runtime.GOARCH,
		Time:   time.Now().UTC().Format(time.RFC3339),
	}
	if kib, ok := strings.CutSuffix(fieldOf("/proc/meminfo", "MemTotal", ":"), " kB"); ok {
		n, _ := strconv.ParseInt(kib, 10, 64)
		m.Memory = n << 10
	}
	m.Busy = busyCores(idleCheck)
	return m
}

// idleCheck is how long the machine is watched for other work: 50 ticks.
const idleCheck = 500 * time.Millisecond

// busy says that the machine had other work to do when the benchmark began: more than a tenth of its cores.
func (m machine) busy() bool { return m.Busy > float64(m.Cores)/10 }

// busyCores watches the machine for a time in which this process does nothing, and returns how many cores worked on average.
func busyCores(watch time.Duration) float64 {
	before, began := busyTime(contents("/proc/stat")), time.Now()
	time.Sleep(watch)
	return (busyTime(contents("/proc/stat")) - before).Seconds() / time.Since(began).Seconds()
}

// busyTime adds up the time that all cores have not been idle, from the text of /proc/stat. See proc_stat(5).
func busyTime(stat string) time.Duration {
	// The fields of the first line: cpu, user, nice, system, idle, iowait, irq, softirq, steal, and guest times that are in user and nice already.
	const idle, iowait, end = 4, 5, 9
	var busy int64
	for i, f := range strings.Fields(firstLine(stat)) {
		if i >= 1 && i < end && i != idle && i != iowait {
			n, _ := strconv.ParseInt(f, 10, 64)
			busy += n
		}
	}
	return time.Duration(busy) * tick
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %.0f GiB, %s, Linux %s, %s", m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.OS, m.Kernel, m.Go)
}

func contents(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}

// fieldOf returns what follows key and separator on the first line of a file that starts with key.
func fieldOf(path, key, separator string) string {
	lines := bufio.NewScanner(bytes.NewReader([]byte(contents(path))))
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), separator); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
