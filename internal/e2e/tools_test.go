package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	debianPenlogd   = "/usr/bin/penlogd"
	debianPenlog    = "/usr/bin/penlog"
	debianMergelogs = "/usr/bin/mergelogs"
)

// collector is a penlogd, Debian's or ours.
type collector struct {
	t    *testing.T
	port int
	file string
	process
	ended chan struct{}
	out   *logBuffer
}

// collect starts a penlogd in the foreground that writes to a file.
func collect(t *testing.T, words ...string) *collector {
	t.Helper()
	c := &collector{t: t, port: freePort(t), file: filepath.Join(t.TempDir(), "log"), ended: make(chan struct{}), out: &logBuffer{}}
	words = append(words, "-f", "-l", c.file, fmt.Sprint(c.port))
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = c.out, c.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", words, err)
	}
	c.process = process(cmd.Process.Pid)
	go func() { _ = cmd.Wait(); close(c.ended) }()
	t.Cleanup(func() {
		c.finish()
		if t.Failed() {
			t.Logf("%s\n%s", words, c.out.tail())
		}
	})
	eventually(t, startLimit, "penlogd receives", func() bool { return c.waiting() >= 0 })
	return c
}

// waiting is how many bytes of datagrams the collector has not read yet, -1 if it does not listen.
func (c *collector) waiting() (bytes int) {
	bytes = -1
	for _, table := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		content, _ := os.ReadFile(table)
		for line := range strings.Lines(string(content)) {
			f := strings.Fields(line)
			if len(f) > 4 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", c.port)) {
				var sent, received int
				_, _ = fmt.Sscanf(f[4], "%x:%x", &sent, &received)
				bytes = max(bytes, 0) + received
			}
		}
	}
	return bytes
}

// finish lets it read what has arrived and ends it. Debian's writes its file then.
func (c *collector) finish() {
	select {
	case <-c.ended:
		return
	default:
	}
	eventually(c.t, patience, "penlogd has read all", func() bool { return c.waiting() <= 0 })
	_ = syscall.Kill(int(c.process), syscall.SIGTERM)
	<-c.ended
}

// lines finishes it and returns what it wrote.
func (c *collector) lines() (all []string) {
	c.t.Helper()
	c.finish()
	content, err := os.ReadFile(c.file)
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		all = append(all, strings.TrimSuffix(line, "\n"))
	}
	return all
}

// feed gives a text to a program's standard input.
func feed(t *testing.T, text string, words ...string) {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", words, err, out)
	}
}

// page is the n-th page asked for. Every tenth is longer than the 100 bytes of a request that Pen's file and its tools keep (PEN.md B20).
func page(n int) string {
	if n%10 == 9 {
		return fmt.Sprintf("/%d/%s", n, strings.Repeat("long", 40))
	}
	return fmt.Sprintf("/page/%d", n)
}

// clientsVisit has clients ask for pages through a balancer and returns who asked for what.
func clientsVisit(t *testing.T, to string, pages int) map[string]netip.Addr {
	t.Helper()
	asked := map[string]netip.Addr{}
	for n := range pages {
		from := loopback(1 + n%7)
		c, err := connect(from, to)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET %s HTTP/1.0\r\n\r\n", page(n))
		if answer, err := io.ReadAll(c); err != nil || !bytes.Contains(answer, []byte(" 200 OK\r\n")) {
			t.Fatalf("client %v asks for %s: %.40q, %v", from, page(n), answer, err)
		}
		c.Close()
		asked[fmt.Sprintf("\"GET %s HTTP/1.0\"", page(n))] = from
	}
	return asked
}

// attributed counts the web lines whose client is the one who asked, those whose client is still the balancer, and those with anybody else.
func attributed(t *testing.T, lines []string, asked map[string]netip.Addr, balancers string) (right, unknown int) {
	t.Helper()
	for _, line := range lines {
		client, _, _ := strings.Cut(line, " ")
		request := "\"" + strings.Split(line, "\"")[1] + "\""
		switch {
		case client == asked[request].String():
			right++
		case strings.HasPrefix(client, balancers):
			unknown++
		default:
			t.Errorf("%q was not asked by %s but by %v", line, client, asked[request])
		}
	}
	return right, unknown
}

// Ours and Debian's pen, penlog and penlogd in all combinations: the web server's lines get their clients back; only with our penlogd the long ones too.
func TestLogsMeet(t *testing.T) {
	t.Parallel()
	const pages = 40
	ours := func(tool string) []string { return []string{program, tool} }
	for _, c := range []struct {
		pen     string
		penlog  []string
		penlogd []string
		right   int // of the pages
	}{
		{"raw", ours("log"), ours("logd"), pages},
		{"gnet", ours("log"), ours("logd"), pages},
		{"raw", ours("log"), []string{debianPenlogd}, pages - pages/10}, // PEN.md B20
		{"raw", []string{debianPenlog}, ours("logd"), pages},
		{"Debian's", ours("log"), ours("logd"), pages},
		{"Debian's", ours("log"), []string{debianPenlogd}, pages - pages/10},
	} {
		t.Run(fmt.Sprint(c.pen, filepath.Base(c.penlog[0]), filepath.Base(c.penlogd[0])), func(t *testing.T) {
			web := startNginxPages(t, "127.0.0.1")
			log := collect(t, c.penlogd...)
			to := fmt.Sprint("127.0.0.1:", log.port)
			var address string
			if c.pen == "Debian's" {
				address = startOracle(t, openDir(t), []string{"-l", to}, []string{web.address}).address
			} else {
				address = launch{poller: c.pen, flags: []string{"-l", to}, servers: []string{web.address}}.start(t).address
			}
			asked := clientsVisit(t, address, pages)
			eventually(t, patience, "nginx has logged all and penlogd has read pen's lines", func() bool { return web.hits() == pages && log.waiting() == 0 })
			content, err := os.ReadFile(filepath.Join(web.dir, "access.log"))
			if err != nil {
				t.Fatal(err)
			}
			feed(t, string(content), append(c.penlog, "127.0.0.1", fmt.Sprint(log.port))...)
			lines := log.lines()
			right, unknown := attributed(t, lines, asked, "127.0.0.1")
			if len(lines) != pages || right != c.right || unknown != pages-c.right {
				t.Errorf("of %d lines %d have their clients and %d the balancer, want %d and %d", len(lines), right, unknown, c.right, pages-c.right)
			}
		})
	}
	// PEN.md B21: a web request that is the beginning of another's.
	for _, words := range [][]string{{debianPenlogd}, ours("logd")} {
		log := collect(t, words...)
		send := func(line string) {
			c, err := net.Dial("udp", fmt.Sprint("127.0.0.1:", log.port))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, line); err != nil {
				t.Fatal(err)
			}
		}
		send("+ 10.1.1.1 127.0.0.1 GET /index.html\n")
		send("127.0.0.1 - - [14/Nov/2023:22:13:20 +0000] \"GET /ind\" 200 1\n")
		want := map[bool]string{true: "127.0.0.1 ", false: "10.1.1.1 "}[words[0] == program]
		if lines := log.lines(); len(lines) != 1 || !strings.HasPrefix(lines[0], want) {
			t.Errorf("%s: %q, want the client %s", words, lines, want)
		}
	}
}

// startNginxPages runs an nginx on a port of the address. It has every page, and logs as nginx does unless told otherwise.
func startNginxPages(t *testing.T, ip string) *nginx {
	t.Helper()
	return startNginx(t, "a", fmt.Sprint(ip, ":", freePort(t)))
}

// PEN.md B19: one datagram with an address that it cannot resolve ends Debian's penlogd; ours takes that, and anything else.
func TestPenlogdSurvives(t *testing.T) {
	for _, words := range [][]string{{debianPenlogd}, {program, "logd"}} {
		log := collect(t, words...)
		c, err := net.Dial("udp", fmt.Sprint("127.0.0.1:", log.port))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, datagram := range []string{"+ 1.1.1.1 ::1 GET /\n", "+", "+ \n", "\n", strings.Repeat("+ x", 400), "no quotes\n"} {
			_, _ = io.WriteString(c, datagram) // refused once it has ended
		}
		if words[0] == debianPenlogd {
			<-log.ended
			continue
		}
		_, _ = io.WriteString(c, "+ 10.1.1.1 127.0.0.1 GET /\n")
		_, _ = io.WriteString(c, "127.0.0.1 - - [14/Nov/2023:22:13:20 +0000] \"GET /\" 200 1\n")
		if lines := log.lines(); len(lines) == 0 || !strings.HasPrefix(lines[len(lines)-1], "10.1.1.1 ") {
			t.Errorf("after garbage ours writes %q", lines)
		}
	}
}

// penlogd keeps to the directory of its log and needs no rights: what is moved away and closed there by HUP is opened anew, but not through a link that leads out.
func TestPenlogdIsConfined(t *testing.T) {
	for mode, want := range map[string]struct {
		caps, seccomp, noNew string
		leaves               bool // writes where the link leads
	}{"on": {"0000000000000002", "2", "1", false}, "off": {process(os.Getpid()).statusText("CapPrm"), "0", "0", true}} {
		log := collect(t, program, "logd", "--confine", mode)
		eventually(t, startLimit, fmt.Sprintf("%s: %+v", mode, want), func() bool {
			return log.statusText("CapEff") == want.caps && log.statusText("Seccomp") == want.seccomp && log.statusText("NoNewPrivs") == want.noNew
		})
		c, err := net.Dial("udp", fmt.Sprint("127.0.0.1:", log.port))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		writes := func(to string) {
			t.Helper()
			eventually(t, patience, mode+": a line is written to "+to, func() bool {
				_, _ = io.WriteString(c, "127.0.0.1 - - [14/Nov/2023:22:13:20 +0000] \"GET /\" 200 1\n")
				content, _ := os.ReadFile(to)
				return len(content) > 0
			})
		}
		turn := func(link string) {
			if err := os.Rename(log.file, log.file+".1"); err != nil {
				t.Fatal(err)
			}
			if link != "" {
				if err := os.Symlink(link, log.file); err != nil {
					t.Fatal(err)
				}
			}
			_ = syscall.Kill(int(log.process), syscall.SIGHUP)
		}
		writes(log.file)
		turn("")
		writes(log.file)
		outside := filepath.Join(t.TempDir(), "outside")
		turn(outside)
		if want.leaves {
			writes(outside)
		} else {
			eventually(t, patience, "the link is refused", func() bool { return strings.Contains(log.out.String(), "the old log file stays in use") })
			if _, err := os.Stat(outside); err == nil {
				t.Error("it has written outside of its directory")
			}
		}
		log.finish()
	}
}

// hourEarly says that Debian's time is an hour before ours (PEN.md B22).
func hourEarly(ours, debians string) bool {
	const layout = "[02/Jan/2006:15:04:05"
	a, err := time.Parse(layout, ours)
	b, otherErr := time.Parse(layout, debians)
	return err == nil && otherErr == nil && a.Sub(b) == time.Hour
}

// mergelogs gives each line of two web servers' logs its client back, from our log or Debian's. Debian's mergelogs writes the same but for the long requests (PEN.md B20).
func TestMergelogsOfBoth(t *testing.T) {
	t.Parallel()
	for _, pen := range []string{"raw", "gnet", "Debian's"} {
		t.Run(pen, func(t *testing.T) {
			webs := []*nginx{startNginxPages(t, "127.0.0.2"), startNginxPages(t, "127.0.0.3")}
			servers := []string{webs[0].address, webs[1].address}
			dir := openDir(t)
			log := filepath.Join(dir, "pen.log")
			var address string
			var finish func()
			if pen == "Debian's" {
				c := startOracle(t, dir, []string{"-l", log}, servers)
				address, finish = c.address, c.stop
			} else {
				b := launch{poller: pen, flags: []string{"-l", log}, servers: servers}.start(t)
				address, finish = b.address, sync.OnceFunc(b.finish)
			}
			const pages = 40
			asked := clientsVisit(t, address, pages)
			eventually(t, patience, "nginx has logged all", func() bool { return webs[0].hits()+webs[1].hits() == pages })
			finish()
			args := []string{"-p", log, "127.0.0.2:" + filepath.Join(webs[0].dir, "access.log"), "127.0.0.3:" + filepath.Join(webs[1].dir, "access.log")}
			merged := func(words ...string) (lines []string) {
				cmd := exec.Command(words[0], append(words[1:], args...)...)
				cmd.Env = append(os.Environ(), "TZ=UTC") // PEN.md B22
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("%s: %v", words, err)
				}
				for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
					lines = append(lines, s.Text())
				}
				return lines
			}
			mine, theirs := merged(program, "mergelogs"), merged(debianMergelogs)
			if right, unknown := attributed(t, mine, asked, "127.0.0."); right != pages || unknown != 0 {
				t.Errorf("ours: %d lines have their clients and %d not, want all %d", right, unknown, pages)
			}
			if len(mine) != len(theirs) {
				t.Fatalf("ours writes %d lines, Debian's %d", len(mine), len(theirs))
			}
			// Debian's hour puts a line elsewhere too.
			byRequest := func(a, b string) int {
				return strings.Compare(strings.SplitN(a, " ", 5)[4], strings.SplitN(b, " ", 5)[4])
			}
			slices.SortFunc(mine, byRequest)
			slices.SortFunc(theirs, byRequest)
			for i := range mine {
				if mine[i] == theirs[i] {
					continue
				}
				a, b := strings.SplitN(mine[i], " ", 5), strings.SplitN(theirs[i], " ", 5)
				long := len(strings.Split(mine[i], "\"")[1]) > 100
				if a[4] != b[4] || a[0] != b[0] && !long || a[3] != b[3] && !hourEarly(a[3], b[3]) {
					t.Errorf("line %d differs:\nours     %s\nDebian's %s", i, mine[i], theirs[i])
				}
			}
		})
	}
}
