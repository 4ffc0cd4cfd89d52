package weblog

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func mustAddr(text string) netip.Addr { return netip.MustParseAddr(text) }

// PEN.md B18: Debian's penlogd writes one byte behind its buffer when a datagram has 1024 bytes. Here datagrams of any length come out whole.
func TestB18DatagramsOfAnyLength(t *testing.T) {
	c := collect(t, PenlogdOptions{Records: 10})
	want := ""
	for _, n := range []int{1022, 1023, 1024, 1025, 2048, 60_000} {
		line := web("GET /x")
		line += strings.Repeat("y", n-len(line))
		c.send("127.0.0.1", line)
		want += line + "\n"
		c.send("127.0.0.1", "+ 10.0.0.1 127.0.0.2 "+strings.Repeat("z", n-len("+ 10.0.0.1 127.0.0.2 ")))
	}
	if got := c.written(); got != want {
		got, want := firstDifference(got, want)
		t.Errorf("wrote %.80q\n want %.80q", got, want)
	}
}

// PEN.md B19: one datagram whose server is an IPv6 address, or no address at all, kills Debian's penlogd; so does a client of more than 99 bytes.
func TestB19NoDatagramEndsPenlogd(t *testing.T) {
	c := collect(t, PenlogdOptions{Records: 10})
	c.send("127.0.0.1", "+ 10.0.0.1 127.0.0.1 GET /x\n")
	for _, datagram := range []string{
		"+ a b ::1 x", "+ 1.1.1.1 ::1 GET /", "+ 1.1.1.1 nosuch.invalid GET /", "+ 1.1.1.1 GET /", "+", "+ ", "+   ", "+\x00 \x00 \x00", "+ a b", "+  ::1 X",
		"+ " + strings.Repeat("c", 150) + " 127.0.0.1 GET /y", "+ " + strings.Repeat("c", 2000) + " 127.0.0.1 GET /y", "+ 1.1.1.1 ::ffff:1.2.3.4%9999999999 X", strings.Repeat("+", 60_000),
	} {
		c.send("127.0.0.1", datagram)
		c.send("::1", datagram)
	}
	c.send("127.0.0.1", web("GET /x"))
	if got, want := c.written(), rewritten("10.0.0.1", "GET /x"); got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

// PEN.md B20: requests of 100 bytes and more never match in Debian's penlogd, nor those of more than 100 in mergelogs. Here they do, as far as the formats carry them.
func TestB20LongRequestsInPenlogd(t *testing.T) {
	const start = "+ 10.0.0.1 127.0.0.1 "
	for _, n := range []int{99, 100, 101, 500, 899, 900, 901, 950, 1000, 2000, 8000} {
		request := "GET /" + strings.Repeat("x", n-5)
		for name, sent := range map[string]string{
			"as Debian's pen sends it": request[:min(n, penDatagram-1-len(start))],
			"as in pen's log file":     request[:min(n, fileLimit)],
		} {
			c := collect(t, PenlogdOptions{Records: 10})
			c.send("127.0.0.1", start+sent+"\n")
			c.send("127.0.0.1", start[:9]+"2"+start[10:]+sent[:len(sent)-1]+"y\n")
			c.send("127.0.0.1", web(request)+"\n")
			cut := web(request) // as penlog sends it
			if len(cut) >= webDatagram {
				c.send("127.0.0.1", cut[:webDatagram-1]+"\n")
			}
			want := rewritten("10.0.0.1", request)
			if n > requestLimit && len(sent) > requestLimit { // a difference behind what is compared is none: the newer record counts
				want = rewritten("10.0.0.2", request)
			}
			if len(cut) >= webDatagram {
				want += want[:webDatagram-2] + "\n" // the client's address is one byte shorter than the web server's
			}
			if got := c.written(); got != want {
				got, want := firstDifference(got, want)
				t.Errorf("%d bytes, %s: wrote %.200q\nwant %.200q", n, name, got, want)
			}
		}
	}
}

// PEN.md B20, see above.
func TestB20LongRequestsInMergelogs(t *testing.T) {
	for _, n := range []int{99, 100, 101, 150, 1000, 1500, 8000} {
		request := "GET /" + strings.Repeat("x", n-5)
		sent := request[:min(n, fileLimit)]
		pen := write(t, "pen.log", fmt.Sprintf("10.0.0.2 1700000000 s %sy\n10.0.0.1 1700000003 s %s\n10.0.0.3 1700000004 s %sz\n", sent[:len(sent)-1], sent, sent[:len(sent)-1]))
		for _, flags := range [][]string{nil, {"-c"}} {
			got := merged(t, append(flags, "-p", pen, "s:"+write(t, "web.log", web(request)+"\n"))...)
			if want := rewritten("10.0.0.1", request); got != want {
				t.Errorf("%d bytes, %q: wrote %.200q\nwant %.200q", n, flags, got, want)
			}
		}
	}
}

// PEN.md B21: Debian's penlogd matches GET /ind with GET /index.html.
func TestB21AShorterRequestIsAnother(t *testing.T) {
	c := collect(t, PenlogdOptions{Records: 10})
	c.send("127.0.0.1", "+ 10.0.0.1 127.0.0.1 GET /index.html\n")
	c.send("127.0.0.1", "+ 10.0.0.2 127.0.0.1 GET /"+strings.Repeat("x", fileLimit-6)+"\n") // one byte less than is cut
	unmatched := []string{"GET /ind", "GET /index.htm", "GET /index.html2", "", "GET /" + strings.Repeat("x", fileLimit-7), "GET /" + strings.Repeat("x", fileLimit)}
	want := ""
	for _, request := range unmatched {
		c.send("127.0.0.1", web(request))
		want += rewritten("127.0.0.1", request)
	}
	if got := c.written(); got != want {
		got, want := firstDifference(got, want)
		t.Errorf("wrote %q\n want %q", got, want)
	}
}

// PEN.md B21 is penlogd's; the same goes for mergelogs, with and without a window.
func TestB21AShorterRequestIsAnotherInMergelogs(t *testing.T) {
	short := "GET /" + strings.Repeat("x", fileLimit-6)
	pens := write(t, "pen.log", pen("10.0.0.1", 0, "s", "GET /ind")+pen("10.0.0.2", 0, "s", short))
	log := write(t, "web.log", at(0, "GET /index.html")+at(0, short+"x")+at(0, short[:50]))
	want := by("s", 0, "GET /index.html") + by("s", 0, short+"x") + by("s", 0, short[:50])
	for _, flags := range [][]string{nil, {"-c"}} {
		if got := merged(t, append(flags, "-p", pens, "s:"+log)...); got != want {
			t.Errorf("%q: wrote %s want %s", flags, got, want)
		}
	}
}

// PEN.md B22: in Debian's mergelogs the second line comes out an hour early, and for a place other than UTC the times are sought in pen's log at the wrong moment unless -t says where one is.
// Its usage text speaks of a jitter of 2 and of an option -r.
func TestB22EveryTimeIsRight(t *testing.T) {
	pen := write(t, "pen.log", "10.0.0.9 1699996400 s GET /x\n10.0.0.1 1700000000 s GET /x\n10.0.0.2 1700003600 s GET /x\n10.0.0.3 1700007200 s GET /x\n10.0.0.4 1720000000 s GET /x\n")
	line := func(stamp string) string { return fmt.Sprintf("127.0.0.1 - - [%s] \"GET /x\" 200\n", stamp) }
	log := write(t, "web.log",
		line("14/Nov/2023:22:13:20 +0000")+line("15/Nov/2023:00:13:20 +0100")+line("14/Nov/2023:19:13:20 -0500")+line("03/Jul/2024:11:46:40 +0200")+line("03/Jul/2024:09:46:40"))
	client := func(client, stamp string) string { return strings.Replace(line(stamp), "127.0.0.1", client, 1) }
	want := client("10.0.0.1", "14/Nov/2023:22:13:20 +0000") + client("10.0.0.2", "14/Nov/2023:23:13:20 +0000") + client("10.0.0.3", "15/Nov/2023:00:13:20 +0000") +
		client("10.0.0.4", "03/Jul/2024:09:46:40 +0000") + client("10.0.0.4", "03/Jul/2024:09:46:40 +0000")
	for zone, offset := range map[string]string{"UTC": "0", "Europe/Helsinki": "7200", "America/New_York": "-18000", "Australia/Lord_Howe": "37800"} {
		t.Run(zone, func(t *testing.T) {
			inZone(t, zone)
			if got := merged(t, "-p", pen, "s:"+log); got != want {
				t.Errorf("wrote %s want %s", got, want)
			}
			// With the standard time of the place, -t changes nothing, summer or winter: so it must have been used.
			if got := merged(t, "-p", pen, "-t", offset, "s:"+log); got != want {
				t.Errorf("-t %s: wrote %s want %s", offset, got, want)
			}
		})
	}
	// With another time, it moves what is sought, not what is written: as Debian's does.
	inZone(t, "UTC")
	winter := write(t, "web.log", line("14/Nov/2023:22:13:20 +0000"))
	for zone, want := range map[string]string{"3600": "10.0.0.2", "7200": "10.0.0.3", "-3600": "10.0.0.9"} {
		if got := merged(t, "-p", pen, "-t", zone, "s:"+winter); got != client(want, "14/Nov/2023:22:13:20 +0000") {
			t.Errorf("-t %s: %s want %s", zone, got, want)
		}
	}
	status, stdout, _ := merge("--help")
	if status != 0 || !strings.Contains(stdout, "(default 600)") || strings.Contains(stdout, "-r") {
		t.Errorf("--help: %d, %s", status, stdout)
	}
}
