package config

import (
	"os"
	"slices"
	"strings"
)

// CongestionControls works out, on this machine, the congestion control of all connections and the one of those that stay on loopback, "" for the system's.
//
// On loopback there is no bottleneck to find and no queue to keep short, and an algorithm that paces arms a timer for nearly every packet: with bbr as the system's choice that is a third of the time
// that pen and the servers spend (docs/performance.md).
func (o *Options) CongestionControls() (everywhere, loopback string, err error) {
	const dir = "/proc/sys/net/ipv4/tcp_"
	standard, _ := os.ReadFile(dir + "congestion_control")
	available, _ := os.ReadFile(dir + "available_congestion_control")
	return congestion(o.Congestion, strings.TrimSpace(string(standard)), strings.Fields(string(available)))
}

func congestion(wish, standard string, available []string) (everywhere, loopback string, err error) {
	switch {
	case wish == "system":
		return "", "", nil
	case wish != "auto" && (len(available) == 0 || slices.Contains(available, wish)):
		return wish, "", nil
	case wish != "auto":
		return "", "", usagef("--congestion %q: expected auto, system or one of %s (for another: modprobe tcp_%s)", wish, strings.Join(available, ", "), wish)
	case !strings.HasPrefix(standard, "bbr"):
		return "", "", nil
	}
	for _, name := range []string{"cubic", "reno"} {
		if slices.Contains(available, name) {
			return "", name, nil
		}
	}
	return "", "", nil
}
