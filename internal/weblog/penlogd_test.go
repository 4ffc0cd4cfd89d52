package weblog

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pen/internal/testkit"
)

// lastWords is a web line that is sent behind all others: what came before it has been dealt with once it is written.
const lastWords = `end - - "END" 0`

// collecting is a penlogd at work. What it says is in notices, what it writes to standard output in lines.
type collecting struct {
	*Collector
	t       *testing.T
	lines   capture
	notices capture
	ended   chan error
	senders map[string]*net.UDPConn
}

// capture is a writer that can be waited for.
type capture struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{}
}

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		select {
		case c.wrote <- struct{}{}:
		default:
		}
	}()
	return c.text.Write(p)
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// await waits until the text holds something.
func (c *capture) await(t *testing.T, something string) {
	t.Helper()
	timeout := time.After(patience)
	for !strings.Contains(c.String(), something) {
		select {
		case <-c.wrote:
		case <-timeout:
			t.Fatalf("waited for %q, there is only %q", something, c)
		}
	}
}

// collect starts a penlogd on a port of its own.
func collect(t *testing.T, o PenlogdOptions) *collecting {
	t.Helper()
	c := &collecting{t: t, ended: make(chan error, 1), senders: map[string]*net.UDPConn{}}
	c.lines.wrote, c.notices.wrote = make(chan struct{}, 1), make(chan struct{}, 1)
	var err error
	c.Collector, err = NewCollector(&o, &c.lines, slog.New(slog.NewTextHandler(&c.notices, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.OpenLog(); err != nil {
		c.Close()
		t.Fatal(err)
	}
	go func() { c.ended <- c.Serve() }()
	t.Cleanup(c.stop)
	return c
}

// stop tells it to end, as an operator would, but this one only: a signal to the process would reach whoever else listens, and end the process once nobody does.
func (c *collecting) stop() {
	c.signals <- syscall.SIGTERM
	if err := <-c.ended; err != nil {
		c.t.Errorf("it ended with %v", err)
	}
	if err := c.Close(); err != nil {
		c.t.Errorf("close: %v", err)
	}
	for _, conn := range c.senders {
		conn.Close()
	}
}

func (c *collecting) signal(sig syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		c.t.Fatal(err)
	}
}

// send sends a datagram from an address of this host.
func (c *collecting) send(from, datagram string) {
	c.t.Helper()
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: c.conn.LocalAddr().(*net.UDPAddr).Port}
	ip := net.ParseIP(from)
	if ip.To4() == nil {
		to.IP = net.IPv6loopback
	}
	conn := c.senders[from]
	if conn == nil {
		var err error
		if conn, err = net.ListenUDP("udp", &net.UDPAddr{IP: ip}); err != nil {
			c.t.Fatal(err)
		}
		c.senders[from] = conn
	}
	if _, err := conn.WriteToUDP([]byte(datagram), to); err != nil {
		c.t.Fatal(err)
	}
}

// written is all that has been written to standard output, up to now.
func (c *collecting) written() string {
	c.t.Helper()
	c.send("127.0.0.1", lastWords)
	c.lines.await(c.t, lastWords)
	return strings.TrimSuffix(c.lines.String(), lastWords+"\n")
}

func web(request string) string {
	return fmt.Sprintf(`127.0.0.1 - - [14/Nov/2023:22:13:20 +0000] "%s" 200 5`, request)
}

func rewritten(client, request string) string {
	return strings.Replace(web(request), "127.0.0.1", client, 1) + "\n"
}

func TestPenlogdWritesWhatDebiansWrites(t *testing.T) {
	for _, path := range recordings(t, "penlogd") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, parts := archive(t, path)
			records, err := strconv.Atoi(strings.TrimSpace(parts["records"]))
			if err != nil {
				t.Fatal(err)
			}
			c := collect(t, PenlogdOptions{Records: records})
			for line := range strings.Lines(parts["datagrams"]) {
				from, quoted, _ := strings.Cut(strings.TrimSpace(line), " ")
				datagram, err := strconv.Unquote(quoted)
				if err != nil {
					t.Fatal(err)
				}
				c.send(from, datagram)
			}
			if got := c.written(); got != parts["want"] {
				got, want := firstDifference(got, parts["want"])
				t.Errorf("wrote %q\n want %q", got, want)
			}
		})
	}
}

func TestPenlogdServesBothFamilies(t *testing.T) {
	c := collect(t, PenlogdOptions{Records: 10})
	c.send("127.0.0.1", "+ 10.0.0.1 127.0.0.2 GET /4\n")
	c.send("::1", "+ 2001:db8::7 0:0:0:0:0:0:0:1 GET /6\n") // from a pen that writes addresses its own way
	c.send("127.0.0.1", "+ 2001:db8::8 ::ffff:127.0.0.3 GET /mapped\n")
	c.send("127.0.0.2", web("GET /4")+"\n")
	c.send("::1", web("GET /6")+"\n")
	c.send("127.0.0.3", web("GET /mapped")+"\n")
	c.send("::1", web("GET /4")+"\n")
	want := rewritten("10.0.0.1", "GET /4") + rewritten("2001:db8::7", "GET /6") + rewritten("2001:db8::8", "GET /mapped") + rewritten("127.0.0.1", "GET /4")
	if got := c.written(); got != want {
		t.Errorf("wrote %q\n want %q", got, want)
	}
}

// Lines that need not be of any format, and datagrams with more than one, or without a line's end.
func TestPenlogdTakesLinesAsTheyCome(t *testing.T) {
	c := collect(t, PenlogdOptions{Records: 10})
	c.send("127.0.0.1", "+ 10.0.0.1 127.0.0.2 GET /x")
	c.send("127.0.0.2", "vhost 127.0.0.1 junk \"GET /x\" a\n\n"+web("GET /y"))
	c.send("127.0.0.2", `a"GET`+"/x\"\n")
	c.send("127.0.0.2", "no quotes\n")
	c.send("127.0.0.2", `one "quote`)
	c.send("127.0.0.2", "")
	c.send("127.0.0.2", web("GET /x\x01\xff\x00"))
	c.send("127.0.0.1", "+ 10.0.0.1 127.0.0.2 \n")
	c.send("127.0.0.2", web("")) // two requests without a word have nothing in common
	c.send("127.0.0.1", "+  127.0.0.2 GET /unix\n")
	c.send("127.0.0.2", web("GET /unix")) // there is no address to write
	want := "10.0.0.1 127.0.0.1 junk \"GET /x\" a\n" + web("GET /y") + "\n" + "a\"GET/x\"\n" + web("GET /x\x01\xff\x00") + "\n" + web("") + "\n" + web("GET /unix") + "\n"
	if got := c.written(); got != want {
		t.Errorf("wrote %q\n want %q", got, want)
	}
	for _, notice := range []string{`msg="bogus web line" from=127.0.0.2 line="no quotes"`, `line="one \"quote"`} {
		c.notices.await(t, notice)
	}
}

func TestPenlogdReopensItsLogOnHUP(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(path, []byte("kept\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := collect(t, PenlogdOptions{Records: 10, LogFile: path})
	awaitFile := func(path, want string) {
		t.Helper()
		var got []byte
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) { // a file has nothing to wait for
			if got, _ = os.ReadFile(path); string(got) == want {
				return
			}
		}
		t.Fatalf("%s holds %q, want %q", path, got, want)
	}
	c.send("127.0.0.1", web("GET /1"))
	awaitFile(path, "kept\n"+web("GET /1")+"\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	c.send("127.0.0.1", web("GET /2"))
	awaitFile(path+".1", "kept\n"+web("GET /1")+"\n"+web("GET /2")+"\n")
	c.signal(syscall.SIGHUP)
	c.notices.await(t, "log file opened again")
	awaitFile(path, "")
	for fd, name := range testkit.Descriptors() {
		if name == path+".1" {
			t.Errorf("the old file is still open as %s", fd)
		}
	}
	c.send("127.0.0.1", web("GET /3"))
	awaitFile(path, web("GET /3")+"\n")

	// A log that cannot be opened again does not end the one there is.
	if err := os.Rename(path, path+".2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	c.signal(syscall.SIGHUP)
	c.notices.await(t, "the old log file stays in use")
	c.send("127.0.0.1", web("GET /4"))
	awaitFile(path+".2", web("GET /3")+"\n"+web("GET /4")+"\n")
}

func TestPenlogdOutlivesAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Fatal(err)
	}
	c := collect(t, PenlogdOptions{Records: 10, LogFile: "/dev/full"})
	c.send("127.0.0.1", web("GET /1"))
	c.notices.await(t, "lines are being lost")
	c.send("127.0.0.1", web("GET /2"))
	c.send("127.0.0.1", "no quotes") // told of when the line before it has been dealt with
	c.notices.await(t, "bogus web line")
	c.output.mu.Lock()
	lost := c.output.lost
	c.output.w = io.Discard
	c.output.mu.Unlock()
	if n := strings.Count(c.notices.String(), "lines are being lost"); lost != 2 || n != 1 {
		t.Errorf("%d lines lost, said %d times", lost, n)
	}
	c.send("127.0.0.1", web("GET /3"))
	c.notices.await(t, `msg="lines are written again" lost=2`)
}

// A search of the records from the newest to the oldest would give the same, whatever comes in.
func TestPenlogdIsASearchFromTheNewest(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 7))
		wanted := slices.Concat(requests(), []string{"X", "GET /index.html", "GET /ind"})
		servers := []string{"127.0.0.2", "::1", "2001:db8::2"}
		var out bytes.Buffer
		c := &Collector{log: slog.New(slog.DiscardHandler), records: 1 + rng.IntN(60), output: output{w: &out}, recent: newRecent()}
		n := &naive{}
		for i := range 2000 {
			server, request := servers[rng.IntN(len(servers))], wanted[rng.IntN(len(wanted))]
			addr := mustAddr(server)
			if rng.IntN(2) == 0 {
				client := fmt.Sprint("10.0.0.", i)
				line := fmt.Sprintf("+ %s %s %s", client, server, request)
				c.remember(addr, []byte(line))
				n.add(0, client, server, line[len(line)-len(request):min(len(line), penDatagram)])
				n.records = n.records[max(0, len(n.records)-c.records):]
				continue
			}
			out.Reset()
			c.rewrite(addr, []byte(web(request)))
			client := n.newest(server, request)
			if client == "" {
				client = "127.0.0.1"
			}
			if got, want := out.String(), rewritten(client, request); got != want {
				t.Fatalf("seed %d, step %d: %q\nwant %q", seed, i, got, want)
			}
		}
	}
}

func TestPenlogdCommandLine(t *testing.T) {
	o, err := ParsePenlogd(strings.Fields("-fd -d -b -n 5 -l access.log 10000 -j /jail --pidfile pid -u nobody"))
	want := PenlogdOptions{Port: 10000, LogFile: "access.log", Records: 5, Foreground: true, Debug: 2, Chroot: "/jail", User: "nobody", PidFile: "pid", Confine: "on"}
	if err != nil || *o != want {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err = ParsePenlogd([]string{"1"}); err != nil || o.Records != 1000 || o.Foreground {
		t.Errorf("%+v, %v", o, err)
	}
	for args, want := range map[string]string{
		"":              "penlogd: port is missing",
		"x":             `penlogd: port "x": must be`,
		"0":             `penlogd: port "0": must be`,
		"65536":         `penlogd: port "65536": must be`,
		"1 2":           `penlogd: too many arguments, from "2" on`,
		"-n 0 1":        "penlogd: -n, --records 0: must be",
		"-n 10000001 1": "penlogd: -n, --records 10000001: must be",
		"--confine 1 1": `penlogd: --confine "1": must be on or off`,
		"-n x 1":        `penlogd: invalid argument "x" for "-n, --records"`,
		"-q 1":          "penlogd: unknown shorthand flag: 'q'",
		"-test.v 1":     `penlogd: unknown flag "-test.v"`,
		"-l":            "penlogd: flag needs an argument: 'l'",
	} {
		_, err := ParsePenlogd(strings.Fields(args))
		usage(t, args, want, func(stdout, stderr io.Writer) int { return ReportPenlogd(err, stdout, stderr) })
	}
	_, err = ParsePenlogd([]string{"--help"})
	help(t, func(stdout, stderr io.Writer) int { return ReportPenlogd(err, stdout, stderr) })
}

// usage checks what every refusal has to be: status 64 and one line that begins with want.
func usage(t *testing.T, args, want string, run func(stdout, stderr io.Writer) int) {
	t.Helper()
	var out, errs bytes.Buffer
	if status := run(&out, &errs); status != 64 || out.Len() > 0 || !strings.HasPrefix(errs.String(), want) || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("%q: status %d, stdout %q, stderr %q, want %q", args, status, &out, &errs, want)
	}
}

func help(t *testing.T, run func(stdout, stderr io.Writer) int) {
	t.Helper()
	var out, errs bytes.Buffer
	if status := run(&out, &errs); status != 0 || errs.Len() > 0 || !strings.HasPrefix(out.String(), "Usage: ") {
		t.Errorf("--help: status %d, stdout %q, stderr %q", status, &out, &errs)
	}
}

func TestPenlogdTellsWhatItCannotOpen(t *testing.T) {
	c := collect(t, PenlogdOptions{Records: 1})
	port := c.conn.LocalAddr().(*net.UDPAddr).Port
	if second, err := NewCollector(&PenlogdOptions{Records: 1, Port: port}, io.Discard, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("open port %d: ", port)) {
		t.Errorf("a second one on port %d: %v, %v", port, second, err)
	}
	c.path = filepath.Join(t.TempDir(), "there", "is", "none")
	if err := c.OpenLog(); err == nil || !strings.Contains(err.Error(), c.path) {
		t.Errorf("open %s: %v", c.path, err)
	}
}
