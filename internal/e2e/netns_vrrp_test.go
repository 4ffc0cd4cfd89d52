package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// Of two boxes with the keepalived.conf that is shipped, the one whose pen sees a server has the address: it moves when /readyz fails, and clients are served there. It needs root, iproute2 and keepalived.
//
//	┌─ boxes[0] ──┐   ┌────── network ──────┐   ┌── boxes[1] ─┐
//	│ 10.0.0.1    ├───┤ bridge: 10.0.0.50   ├───┤ 10.0.0.2    │
//	│ pen         │   │ nginx, the client   │   │ pen         │
//	└─────────────┘   └─────────────────────┘   └─────────────┘
//	       └──── 10.0.0.10, on one of them ────────────┘
func TestNetnsAddressMovesToTheReadyBox(t *testing.T) {
	shipped, err := os.ReadFile("../../docs/keepalived.conf")
	if err != nil {
		t.Fatal(err)
	}
	h, dir := &hosts{t: t}, openDir(t)
	name := func(role string) string { return fmt.Sprintf("pen-%d-vrrp-%s", os.Getpid(), role) }
	network, boxes := name("network"), []string{name("box0"), name("box1")}
	for _, ns := range append([]string{network}, boxes...) {
		h.ip("netns add " + ns)
		t.Cleanup(func() { h.ip("netns del " + ns) })
		h.ip("-n " + ns + " link set dev lo up")
	}
	h.ip("-n "+network, "link add bridge type bridge", "link set dev bridge up", "address add 10.0.0.50/24 dev bridge")
	startNginx(t, "a", "10.0.0.50:80", in(network)...)
	for i, box := range boxes {
		h.ip("-n "+box, fmt.Sprintf("link add eth0 type veth peer name box%d netns %s", i, network), "link set dev eth0 up", fmt.Sprintf("address add 10.0.0.%d/24 dev eth0", 1+i))
		h.ip("-n "+network, fmt.Sprintf("link set dev box%d master bridge up", i))
		launch{poller: "raw", listen: "80", under: in(box), flags: []string{"--check", "tcp", "--check-interval", "0.2", "--web", "127.0.0.1:8080"}, servers: []string{"10.0.0.50:80"}}.start(t)
	}
	for i, box := range boxes {
		file := func(name string) string { return filepath.Join(dir, fmt.Sprint(name, i)) }
		config := regexp.MustCompile(`priority \d+`).ReplaceAll(shipped, fmt.Appendf(nil, "priority %d", 150-50*i))
		if err := os.WriteFile(file("conf"), config, 0o644); err != nil {
			t.Fatal(err)
		}
		var said logBuffer
		words := in(box, "keepalived", "--dont-fork", "--log-console", "--use-file", file("conf"), "--pid", file("pid"), "--vrrp_pid", file("vrrp"), "--checkers_pid", file("checkers"))
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Stdout, cmd.Stderr = &said, &said
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		if err := cmd.Start(); err != nil {
			t.Fatalf("keepalived: %v", err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait() // it may have ended with an error, which the test has seen by then
			if t.Failed() {
				t.Logf("keepalived %d: %s", i, said.tail())
			}
		})
	}
	has := func(box string) bool {
		output, err := exec.Command("ip", "-n", box, "-brief", "address", "show", "dev", "eth0").CombinedOutput()
		return err == nil && strings.Contains(string(output), " 10.0.0.10/24")
	}
	serves := func() bool {
		words := in(network, "curl", "--silent", "--fail", "--max-time", "1", "http://10.0.0.10/")
		output, err := exec.Command(words[0], words[1:]...).Output()
		return err == nil && strings.TrimSpace(string(output)) == "a"
	}
	eventually(t, patience, "a box has the address", func() bool { return has(boxes[0]) || has(boxes[1]) })
	first, second := boxes[0], boxes[1]
	if has(second) {
		first, second = second, first
	}
	eventually(t, patience, "a client of the address is served", serves)
	h.ip("-n " + first + " route add unreachable 10.0.0.50/32")
	eventually(t, patience, "the other box has the address", func() bool { return has(second) && !has(first) })
	eventually(t, patience, "a client of the address is served there", serves)
}
