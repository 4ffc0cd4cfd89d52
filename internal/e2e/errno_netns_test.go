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

// Local ports run out, for real: four are all that the machine has towards its one server. The fifth client is turned away with our own cause, the server is not blamed, and as ports return the next is served.
func TestNetnsPortsRunOut(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		const ports = 4
		h := makeHosts(t, "ports-"+poller)
		n := startNginx(t, "a", "198.51.100.2:80", in(h.servers)...)
		if err := os.WriteFile(filepath.Join(n.dir, "large"), make([]byte, 64<<20), 0o644); err != nil {
			t.Fatal(err)
		}
		if code, output := run(t, in(h.balancer, "sh", "-c", fmt.Sprintf("echo 40000 %d >/proc/sys/net/ipv4/ip_local_port_range", 40000+ports-1))...); code != 0 {
			t.Fatal(output)
		}
		log := filepath.Join(openDir(t), "log")
		b := launch{poller: poller, listen: farmPort, under: in(h.balancer), servers: []string{n.address}, flags: []string{"-l", log, "--log-format", "json"}}.start(t)
		var held []*exec.Cmd
		release := func() {
			for _, c := range held {
				_ = c.Process.Kill()
				_ = c.Wait()
			}
			held = nil
		}
		t.Cleanup(release)
		for range ports {
			words := in(h.clients, "curl", "--silent", "--limit-rate", "10k", "--output", "/dev/null", "http://192.0.2.100:"+farmPort+"/files/large")
			c := exec.Command(words[0], words[1:]...)
			c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			held = append(held, c)
		}
		eventually(t, 10*time.Second, "all ports are taken", func() bool { return b.sockets() >= b.idle+2*ports })
		if got, err := h.curl(1, false); err == nil {
			t.Errorf("a client is served by %q without a port", got)
		}
		x := &exam{balancer: b, t: t, log: log}
		eventually(t, patience, "the ending is logged", func() bool { return len(x.endings()) > 0 })
		if got := x.endings(); got[0] != "local" {
			t.Errorf("ended as %v, want local", got)
		}
		said := b.log.String()
		if strings.Contains(said, "blacklisting") || !strings.Contains(said, "ip_local_port_range") {
			t.Errorf("the server is blamed, or no remedy is named")
		}
		release()
		eventually(t, 20*time.Second, "a client is served again", func() bool { _, err := h.curl(1, false); return err == nil })
	})
}
