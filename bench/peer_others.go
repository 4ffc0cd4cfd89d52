package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// lookup finds a program in PATH or where Debian keeps those for root.
func lookup(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

var versionNumber = regexp.MustCompile(`\d+(\.\d+)+\S*`)

func findHAProxy() (program, error) {
	path, err := lookup("haproxy")
	if err != nil {
		return program{}, errors.New("not installed: apt-get install haproxy")
	}
	said, _ := exec.Command(path, "-v").Output()
	return program{Path: path, Version: versionNumber.FindString(string(said))}, nil
}

// haproxyArgv has HAProxy splice as suits each workload best. With splice-auto its judgement depends on reads that fill its buffers, and under bulk, once it keeps up, they often do
// not (seen with strace), so there it is told to; for small messages splicing costs it more than it saves.
func haproxyArgv(p *peer, t task) ([]string, error) {
	splicing := "option splice-auto"
	if t.Family == "bulk" {
		splicing = "option splice-request\n\toption splice-response"
	}
	clients := 100_000
	if t.Clients > 0 {
		clients = t.slots()
	}
	var b strings.Builder
	fmt.Fprintf(&b, `global
	nbthread %d
	maxconn %d
defaults
	mode tcp
	%s
	timeout connect 5s
	timeout client 60s
	timeout server 60s
listen bench
	bind %s
	backlog %d
	balance roundrobin
	stick-table type ip size %d
	stick on src
`, threads, t.allowed(), splicing, t.Listen, stormBacklog, clients)
	for i, s := range t.Servers {
		fmt.Fprintf(&b, "\tserver s%d %s\n", i, s)
	}
	conf, err := writeFile(t.Dir, "haproxy.cfg", b.String())
	return []string{p.Path, "-db", "-f", conf}, err
}

func findNginx() (program, error) {
	const install = "apt-get install nginx-light libnginx-mod-stream"
	path, err := lookup("nginx")
	if err != nil {
		return program{}, errors.New("not installed: " + install)
	}
	said, _ := exec.Command(path, "-V").CombinedOutput()
	if _, err := streamModule(string(said)); err != nil {
		return program{}, fmt.Errorf("%w: %s", err, install)
	}
	return program{Path: path, Version: versionNumber.FindString(string(said))}, nil
}

// streamModule returns the line that loads nginx's stream module, from what nginx -V says: empty if it is built in.
func streamModule(said string) (string, error) {
	dir := "/usr/lib/nginx/modules"
	dynamic := false
	for _, word := range strings.Fields(said) {
		if word == "--with-stream" {
			return "", nil
		}
		dynamic = dynamic || word == "--with-stream=dynamic"
		if at, ok := strings.CutPrefix(word, "--modules-path="); ok {
			dir = at
		}
	}
	file := filepath.Join(dir, "ngx_stream_module.so")
	if _, err := os.Stat(file); !dynamic || err != nil {
		return "", errors.New("it lacks its stream module")
	}
	return "load_module " + file + ";\n", nil
}

func nginxArgv(p *peer, t task) ([]string, error) {
	said, _ := exec.Command(p.Path, "-V").CombinedOutput()
	load, err := streamModule(string(said))
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `%sdaemon off;
pid %s/nginx.pid;
error_log stderr warn;
worker_processes %d;
worker_rlimit_nofile %d;
events { worker_connections %d; }
stream {
	upstream bench {
		hash $remote_addr consistent;
`, load, t.Dir, threads, 4*t.allowed(), 2*t.allowed())
	for _, s := range t.Servers {
		fmt.Fprintf(&b, "\t\tserver %s;\n", s)
	}
	fmt.Fprintf(&b, "\t}\n\tserver {\n\t\tlisten %s reuseport backlog=%d;\n\t\tproxy_pass bench;\n\t\tproxy_connect_timeout 5s;\n\t\tproxy_timeout 60s;\n\t}\n}\n", t.Listen, stormBacklog)
	conf, err := writeFile(t.Dir, "nginx.conf", b.String())
	return []string{p.Path, "-p", t.Dir, "-c", conf}, err
}

// findOldPen takes /usr/bin/pen for old Pen only if Debian's package put it there: ours has the same name.
func findOldPen() (program, error) {
	const path = "/usr/bin/pen"
	said, err := exec.Command("dpkg-query", "-W", "-f=${Version}", "pen").Output()
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return program{}, errors.New("not installed: apt-get install pen")
	}
	return program{Path: path, Version: string(said)}, nil
}

// PEN.md B1: in epoll mode, its default, old Pen never fails over, hence -P.
func oldPenArgv(p *peer, t task) ([]string, error) {
	return slices.Concat([]string{p.Path, "-P", "-f"}, penLimits(t), []string{t.Listen}, t.Servers), nil
}

func writeFile(dir, name, text string) (string, error) {
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}
