package weblog

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

// receive opens a socket and returns its port, and a function that reads what has come: n datagrams as "from: text".
func receive(t *testing.T, network, ip string) (port string, next func(n int) []string) {
	t.Helper()
	conn, err := net.ListenUDP(network, &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return strconv.Itoa(conn.LocalAddr().(*net.UDPAddr).Port), func(n int) (got []string) {
		buf := make([]byte, datagramLimit)
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		for range n {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				t.Fatalf("received %q, and then %v", got, err)
			}
			got = append(got, from.Addr().String()+": "+string(buf[:n]))
		}
		return got
	}
}

func TestPenlogSendsEachLine(t *testing.T) {
	port4, next4 := receive(t, "udp4", "127.0.0.1")
	port6, next6 := receive(t, "udp6", "::1")
	for _, c := range []struct {
		args []string
		from string
		next func(n int) []string
	}{
		{[]string{"127.0.0.1", port4}, "127.0.0.1", next4},
		{[]string{"127.0.0.1:" + port4}, "127.0.0.1", next4},
		{[]string{"127.0.0.1", port4, "127.0.0.5"}, "127.0.0.5", next4},
		{[]string{"127.0.0.1:" + port4, "127.0.0.6"}, "127.0.0.6", next4},
		{[]string{"localhost", port4, "127.0.0.7"}, "127.0.0.7", next4},
		{[]string{"::1", port6}, "::1", next6},
		{[]string{"[::1]:" + port6}, "::1", next6},
		{[]string{"[::1]:" + port6, "::1"}, "::1", next6},
	} {
		var out, errs bytes.Buffer
		status := Penlog(c.args, strings.NewReader("a \"b\"\n\nc\r\nlast"), &out, &errs)
		got := c.next(4)
		want := []string{c.from + ": a \"b\"\n", c.from + ": \n", c.from + ": c\r\n", c.from + ": last\n"}
		if status != 0 || out.Len()+errs.Len() > 0 || !slices.Equal(got, want) {
			t.Errorf("%q: status %d, %q%q, received %q, want %q", c.args, status, &out, &errs, got, want)
		}
	}
}

// A line is sent when it has been read, not when the next one comes.
func TestPenlogDoesNotWait(t *testing.T) {
	port, next := receive(t, "udp4", "127.0.0.1")
	r, w := io.Pipe()
	ended := make(chan int)
	go func() { ended <- Penlog([]string{"127.0.0.1", port}, r, io.Discard, io.Discard) }()
	for _, line := range []string{"one\n", "two\n"} {
		if _, err := io.WriteString(w, line); err != nil {
			t.Fatal(err)
		}
		if got := next(1); got[0] != "127.0.0.1: "+line {
			t.Errorf("received %q", got)
		}
	}
	w.Close()
	if status := <-ended; status != 0 {
		t.Errorf("status %d", status)
	}
}

// PEN.md B18 is Debian's penlogd: it must never be sent more than it can take.
func TestPenlogCutsLongLines(t *testing.T) {
	port, next := receive(t, "udp4", "127.0.0.1")
	long := strings.Repeat("x", webDatagram-2)
	lines := []string{long, long + "y", long + "yz", long + "é", strings.Repeat("x", 3*lineLimit), "short"}
	var errs bytes.Buffer
	status := Penlog([]string{"127.0.0.1", port}, strings.NewReader(strings.Join(lines, "\n")+"\n"), io.Discard, &errs)
	want := []string{long, long + "y", long + "y", long, long + "x", "short"}
	for i, got := range next(len(lines)) {
		if got != "127.0.0.1: "+want[i]+"\n" {
			t.Errorf("line of %d bytes: received %d bytes that end in %q, want %d", len(lines[i]), len(got), got[len(got)-5:], len(want[i]))
		}
	}
	if status != 0 || strings.Count(errs.String(), "\n") != 1 || !strings.HasPrefix(errs.String(), "penlog: a line is longer than 1022 bytes") {
		t.Errorf("status %d, %q", status, &errs)
	}
	if n := characters([]byte("ab\x80\x80\x80\x80\x80\x80"), 7); n != 7 {
		t.Errorf("of 7 bytes that are no characters, %d are sent", n)
	}
}

func TestPenlogOutlivesErrors(t *testing.T) {
	var errs bytes.Buffer
	var sent []string
	now := time.Unix(0, 0)
	s := &sender{to: "10.0.0.1:10000", stderr: &errs, now: func() time.Time { return now }, send: func(datagram []byte) error {
		now = now.Add(complaintEvery / 4)
		if strings.HasPrefix(string(datagram), "bad") {
			return syscall.ECONNREFUSED
		}
		sent = append(sent, string(datagram))
		return nil
	}}
	err := s.run(strings.NewReader("a\nbad\nbad\nb\nbad\nbad\nbad\nc\n"))
	want := "penlog: send to 10.0.0.1:10000: connection refused; lines lost since this was said last: 1\n" +
		"penlog: send to 10.0.0.1:10000: connection refused; lines lost since this was said last: 3\n"
	if err != nil || errs.String() != want || !slices.Equal(sent, []string{"a\n", "b\n", "c\n"}) {
		t.Errorf("%v, sent %q, said %s want %s", err, sent, &errs, want)
	}

	// Nobody listens: the answers to that are nothing that penlog would even see.
	port, _ := receive(t, "udp4", "127.0.0.1")
	errs.Reset()
	status := Penlog([]string{"127.0.0.2", port}, strings.NewReader(strings.Repeat("x\n", 100)), io.Discard, &errs)
	if status != 0 || errs.Len() > 0 {
		t.Errorf("to a port where nobody is: status %d, %q", status, &errs)
	}
}

func TestPenlogCommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"":                      "penlog: server_ip is missing",
		"10.0.0.1":              `penlog: server_port is missing behind "10.0.0.1"`,
		"::1":                   `penlog: server_port is missing behind "::1"`,
		"2001:db8::1:10000":     `penlog: server_port is missing`,
		"10.0.0.1 x":            `penlog: server_port "x": must be`,
		"10.0.0.1 0":            `penlog: server_port "0": must be`,
		"10.0.0.1:65536":        `penlog: server_port "65536": must be`,
		"10.0.0.1 1 10.0.0.2 3": `penlog: too many arguments, from "3" on`,
		"10.0.0.1:1 10.0.0.2 3": `penlog: too many arguments, from "3" on`,
		"-x 10.0.0.1 1":         "penlog: unknown shorthand flag: 'x'",
	} {
		usage(t, args, want, func(stdout, stderr io.Writer) int {
			return Penlog(strings.Fields(args), strings.NewReader(""), stdout, stderr)
		})
	}
	help(t, func(stdout, stderr io.Writer) int { return Penlog([]string{"--help"}, nil, stdout, stderr) })
	for _, c := range []struct {
		args, want string
		stdin      io.Reader
	}{
		{"127.0.0.1 1 192.0.2.1", "penlog: open a socket to send from: ", strings.NewReader("")},
		{"127.0.0.1 1 ::1", `penlog: look up server_ip "127.0.0.1": `, strings.NewReader("")},
		{"127.0.0.1 9", "penlog: read the log: torn", iotest.ErrReader(errors.New("torn"))},
	} {
		var errs bytes.Buffer
		if status := Penlog(strings.Fields(c.args), c.stdin, io.Discard, &errs); status != 1 || !strings.HasPrefix(errs.String(), c.want) || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%s: status %d, %q", c.args, status, &errs)
		}
	}
}
