package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// nginx is a real web server on a port of its own. Every answer is its name; below /files/ it serves its directory.
type nginx struct {
	t       *testing.T
	name    string
	address string
	dir     string
	under   []string // words before the program, such as ip netns exec
	cmd     *exec.Cmd
}

// One process without a master, so that one kill -9 ends all of it. Lingering close would only add waits to the clients that reset.
const nginxConfig = `daemon off; master_process off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
	access_log %[1]s/access.log;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	keepalive_requests 1000000;
	server {
		listen %[2]s backlog=4096;
		location / { return 200 "%[3]s\n"; }
		location /files/ { alias %[1]s/; }
	}
}
`

// startNginx runs an nginx that calls itself by the name. The address may be "" for a free port of 127.0.0.1.
func startNginx(t *testing.T, name, address string, under ...string) *nginx {
	t.Helper()
	if address == "" {
		address = fmt.Sprint("127.0.0.1:", freePort(t))
	}
	n := &nginx{t: t, name: name, address: address, dir: t.TempDir(), under: under}
	config := fmt.Sprintf(nginxConfig, n.dir, address, name)
	if err := os.WriteFile(filepath.Join(n.dir, "nginx.conf"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	n.start()
	t.Cleanup(func() {
		if n.cmd != nil {
			n.kill()
		}
	})
	return n
}

// startNginxes runs n of them, named a, b, c, and returns their addresses too.
func startNginxes(t *testing.T, n int) (servers []*nginx, addresses []string) {
	t.Helper()
	for i := range n {
		s := startNginx(t, string(rune('a'+i)), "")
		servers, addresses = append(servers, s), append(addresses, s.address)
	}
	return servers, addresses
}

func (n *nginx) start() {
	n.t.Helper()
	errorLog := filepath.Join(n.dir, "error.log")
	words := append(append([]string{}, n.under...), "nginx", "-p", n.dir, "-c", filepath.Join(n.dir, "nginx.conf"), "-e", errorLog)
	n.cmd = exec.Command(words[0], words[1:]...)
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatalf("start nginx (Debian's package nginx-light has it): %v", err)
	}
	eventually(n.t, startLimit, "nginx "+n.name+" listens", func() bool { return process(n.cmd.Process.Pid).listens(n.address) })
}

// kill ends nginx at once and returns when it is gone, and with it its listening socket.
func (n *nginx) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
	n.cmd = nil
}

// hits counts the lines of the access log.
func (n *nginx) hits() int {
	content, _ := os.ReadFile(filepath.Join(n.dir, "access.log"))
	return bytes.Count(content, []byte("\n"))
}

// get fetches a page over a connection of its own and returns the body. An answer that is not 200, or shorter than announced, is an error.
func get(from netip.Addr, to, page string) (string, error) {
	c, err := connect(from, to)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: pen\r\nConnection: close\r\n\r\n", page); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		return "", err
	}
	head, body, complete := strings.Cut(string(answer), "\r\n\r\n")
	if !complete || !strings.HasPrefix(head, "HTTP/1.1 200 ") {
		return "", fmt.Errorf("bad answer: %.60q", answer)
	}
	_, length, announced := strings.Cut(head, "Content-Length: ")
	if n, _ := strconv.Atoi(strings.Split(length, "\r\n")[0]); !announced || n != len(body) {
		return "", errors.New("answer is cut short")
	}
	return strings.TrimSpace(body), nil
}
