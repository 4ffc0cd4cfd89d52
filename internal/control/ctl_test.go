package control

import (
	"bytes"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// penctl runs Ctl.
func penctl(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = Ctl(args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestPenctlTellsFailureFromSuccess(t *testing.T) {
	w := newWorld()
	w.page = strings.Repeat("<td>\n", 50_000)
	for name, address := range ports(t) {
		t.Run(name, func(t *testing.T) {
			in := farm(t, w, Config{}, "10.0.0.1:80")
			do(t, in, "web_stats /tmp/x")
			p := open(t, in, address, nil)
			for _, c := range []struct {
				command        string
				status         int
				stdout, stderr string
			}{
				{"timeout", 0, "3\n", ""},
				{"server 0 max 3", 0, "", ""},
				{"# comment", 0, "", ""},
				{"status", 0, w.page, ""},
				{"frob", 1, "do_cmd: ignoring command starting with 'frob'\n", "penctl: unknown word \"frob\"\n"},
				{"server 0 address nowhere", 1, "", "penctl: server: address: look up nowhere: no such host\n"},
				{"server 0 frob 1 grob 2", 1, "", "penctl: server: frob: unknown setting of a server, with value \"1\"; grob: unknown setting of a server, with value \"2\"\n"},
				{"source bogus", 1, "unable to set source address to 'bogus'", "penctl: source: look up bogus: no such host\n"},
			} {
				status, stdout, stderr := penctl(append([]string{p.Addr().String()}, strings.Fields(c.command)...)...)
				if status != c.status || stdout != c.stdout || stderr != c.stderr {
					t.Errorf("%s: status %d, %.100q, %q", c.command, status, stdout, stderr)
				}
			}
			// A command too long for a query behind it is obeyed all the same.
			long := strings.Repeat("0", maxLine-len("blacklist ")-2) + "7"
			if status, stdout, stderr := penctl(p.Addr().String(), "blacklist", long); status != 0 || stdout != "7\n" {
				t.Errorf("long command: status %d, %q, %q", status, stdout, stderr)
			}
			if status, _, stderr := penctl(p.Addr().String(), "blacklist", "0"+long); status != 1 || stderr != "penctl: Overlong argument list\n" {
				t.Errorf("overlong command: status %d, %q", status, stderr)
			}
		})
	}
}

// pen0341 behaves as Pen's control port: one read, one line of it, a reply, closed.
func pen0341(t *testing.T, network, address string, reply func(line string) string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 4095)
			n, _ := conn.Read(buf)
			line, _, _ := strings.Cut(string(buf[:n]), "\r")
			line, _, _ = strings.Cut(line, "\n")
			conn.Write([]byte(reply(line)))
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func TestPenctlTalksToPen(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		at := pen0341(t, network, address, func(line string) string {
			if line == "empty" {
				return ""
			}
			return "got " + line + "\n"
		})
		for command, want := range map[string]string{"server 0 max 3": "got server 0 max 3\n", "empty": "", strings.Repeat("x", maxLine-1): "got " + strings.Repeat("x", maxLine-1) + "\n"} {
			if status, stdout, stderr := penctl(at, command); status != 0 || stdout != want || stderr != "" {
				t.Errorf("%.20s: status %d, %.50q, %q", command, status, stdout, stderr)
			}
		}
	}
}

func TestPenctlSaysWhatIsWrong(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	for _, c := range []struct {
		args   []string
		status int
		stderr string
	}{
		{nil, 64, "usage: penctl host:port command\n"},
		{[]string{nobody}, 64, "usage: penctl host:port command\n"},
		{[]string{"localhost", "pid"}, 1, "penctl: no port given\n"},
		{[]string{nobody, "pid"}, 1, "penctl: error connecting to server: dial tcp " + nobody + ": connect: connection refused\n"},
		{[]string{"/nonexistent/s", "pid"}, 1, "penctl: error connecting to server: dial unix /nonexistent/s: connect: no such file or directory\n"},
	} {
		if status, stdout, stderr := penctl(c.args...); status != c.status || stdout != "" || stderr != c.stderr {
			t.Errorf("%q: status %d, %q, %q", c.args, status, stdout, stderr)
		}
	}
}

func TestPenctlTakesIPv6WithoutBrackets(t *testing.T) {
	p := open(t, farm(t, newWorld(), Config{}), "[::1]:0", nil)
	address := strings.NewReplacer("[", "", "]", "").Replace(p.Addr().String())
	if status, stdout, stderr := penctl(address, "timeout"); status != 0 || stdout != "3\n" {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
}
