package daemon

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"
)

// overflowPeriod is how often it is looked whether listen queues overflow.
const overflowPeriod = time.Minute

// netstat is the kernel's counters of the network namespace. Others who listen there are counted with us: the kernel has none for a socket.
type netstat struct {
	file *os.File // nil: there is none to be had

	seen uint64 // overflows at the last look; owned by Serve
}

// openNetstat opens the counters before a jail hides them.
func openNetstat() *netstat {
	file, err := os.Open("/proc/net/netstat")
	if err != nil {
		return &netstat{}
	}
	n := &netstat{file: file}
	n.seen, _ = n.overflows()
	return n
}

func (n *netstat) close() error {
	if n.file == nil {
		return nil
	}
	return n.file.Close()
}

// overflows is how many connections found their listen queue full, and how many were dropped before they were accepted, for that or any other reason. 0 and 0 if it cannot be known.
func (n *netstat) overflows() (overflows, drops uint64) {
	if n.file == nil {
		return 0, 0
	}
	buf := make([]byte, 16<<10) // it has some 4 KiB
	size, _ := n.file.ReadAt(buf, 0)
	overflows, _ = netstatValue(string(buf[:size]), "TcpExt", "ListenOverflows")
	drops, _ = netstatValue(string(buf[:size]), "TcpExt", "ListenDrops")
	return overflows, drops
}

// netstatValue finds a counter in the text of /proc/net/netstat, where each group is a line of names and a line of values, both with the group's name before them.
func netstatValue(text, group, name string) (uint64, error) {
	var names []string
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, group+":")
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		if names == nil {
			names = fields
			continue
		}
		for i, v := range fields {
			if i < len(names) && names[i] == name {
				return strconv.ParseUint(v, 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("there is no %s in %s", name, group)
}

// complain says that listen queues have overflowed since the last look.
func (n *netstat) complain(log *slog.Logger, waiting, most int) {
	overflows, _ := n.overflows()
	if more := overflows - n.seen; overflows > n.seen {
		log.Warn("listen queues of this host have overflowed", "times", more, "ours", fmt.Sprintf("%d of %d", waiting, most), "remedy", "raise -q and net.core.somaxconn, or find out who else listens (ss -ltn)")
	}
	n.seen = overflows
}
