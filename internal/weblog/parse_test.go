package weblog

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
)

func TestPenLine(t *testing.T) {
	long := strings.Repeat("x", nameLimit+1)
	for _, c := range []struct {
		line string
		want penLine
		ok   bool
	}{
		{"10.0.0.1 1700000000 192.168.0.1 GET /a b HTTP/1.1", penLine{[]byte("10.0.0.1"), 1700000000, []byte("192.168.0.1"), []byte("GET /a b HTTP/1.1")}, true},
		{"::1 1 2001:db8::1 X", penLine{[]byte("::1"), 1, []byte("2001:db8::1"), []byte("X")}, true},
		{" 1 s X", penLine{[]byte(""), 1, []byte("s"), []byte("X")}, true},
		{"c 1 s ", penLine{[]byte("c"), 1, []byte("s"), []byte("")}, true},
		{"c 1 s", penLine{}, false},
		{"c 1", penLine{}, false},
		{"", penLine{}, false},
		{"c  s X", penLine{}, false},
		{"c 1  X", penLine{}, false},
		{"c -1 s X", penLine{}, false},
		{"c 1e s X", penLine{}, false},
		{"c 999999999999999 s X", penLine{[]byte("c"), 999999999999999, []byte("s"), []byte("X")}, true},
		{"c 1000000000000000 s X", penLine{}, false},
		{long + " 1 s X", penLine{}, false},
		{"c 1 " + long + " X", penLine{}, false},
	} {
		got, ok := parsePenLine([]byte(c.line))
		if ok != c.ok || !samePenLine(got, c.want) {
			t.Errorf("%.60q: %v, %v", c.line, got, ok)
		}
	}
}

func samePenLine(a, b penLine) bool {
	return bytes.Equal(a.client, b.client) && a.epoch == b.epoch && bytes.Equal(a.server, b.server) && bytes.Equal(a.request, b.request)
}

func TestPenDatagram(t *testing.T) {
	full := "+ 10.0.0.1 ::1 " + strings.Repeat("x", penDatagram)
	for _, c := range []struct {
		line string
		want penLine
		ok   bool
	}{
		{"+ 10.0.0.1 ::1 GET /a b", penLine{[]byte("10.0.0.1"), 0, []byte("::1"), []byte("GET /a b")}, true},
		{"+10.0.0.1 ::1 GET /", penLine{[]byte("10.0.0.1"), 0, []byte("::1"), []byte("GET /")}, true},
		{"+  ::1 GET /", penLine{[]byte(""), 0, []byte("::1"), []byte("GET /")}, true},
		{"+ a b", penLine{}, false},
		{"+", penLine{}, false},
		{"+ " + strings.Repeat("c", nameLimit+1) + " s X", penLine{}, false},
		{full, penLine{[]byte("10.0.0.1"), 0, []byte("::1"), []byte(full[len("+ 10.0.0.1 ::1 "):penDatagram])}, true},
	} {
		got, ok := parsePenDatagram([]byte(c.line))
		if ok != c.ok || !samePenLine(got, c.want) {
			t.Errorf("%.60q: %v, %v", c.line, got, ok)
		}
	}
}

// Debian's mergelogs takes and refuses the same lines, except that it takes wrong times for some time or other.
func TestWebLine(t *testing.T) {
	const stamp = "[14/Nov/2023:22:13:20 +0000]"
	for _, c := range []struct {
		line                         string
		user, between, request, rest string
		ok                           bool
	}{
		{`127.0.0.1 - - ` + stamp + ` "GET /a b" 200 5`, "- - ", " ", "GET /a b", " 200 5", true},
		{`127.0.0.1 - bob ` + stamp + ` "X" 200 5 "ref" "agent [x]"`, "- bob ", " ", "X", ` 200 5 "ref" "agent [x]"`, true},
		{`::1   - - ` + stamp + `  foo "X" `, "- - ", "  foo ", "X", " ", true},
		{"127.0.0.1\t- - " + stamp + ` "X" 200`, "- ", " ", "X", " 200", true},
		{`127.0.0.1 - - ` + stamp + ` "X" 200` + "\r", "- - ", " ", "X", " 200\r", true},
		{`127.0.0.1 - - ` + stamp + ` "X"`, "", "", "", "", false},
		{`127.0.0.1 - - ` + stamp + ` "" 200`, "", "", "", "", false},
		{`127.0.0.1 - - ` + stamp + ` "X`, "", "", "", "", false},
		{`127.0.0.1 - - ` + stamp + `"X" 200`, "", "", "", "", false},
		{`127.0.0.1 - - ` + stamp, "", "", "", "", false},
		{`127.0.0.1 - - [14/Nov/2023:22:13:20 +0000 "X" 200`, "", "", "", "", false},
		{`127.0.0.1 - - [] "X" 200`, "", "", "", "", false},
		{`127.0.0.1 ` + stamp + ` "X" 200`, "", "", "", "", false},
		{` 127.0.0.1 - - ` + stamp + ` "X" 200`, "", "", "", "", false},
		{`127.0.0.1 - - [14/Foo/2023:22:13:20 +0000] "X" 200`, "", "", "", "", false},
		{`junk`, "", "", "", "", false},
		{``, "", "", "", "", false},
	} {
		w, ok := parseWebLine([]byte(c.line))
		if ok != c.ok || string(w.user) != c.user || string(w.between) != c.between || string(w.request) != c.request || string(w.rest) != c.rest || ok && w.time != 1700000000 {
			t.Errorf("%q: %q %d %q %q %q, %v", c.line, w.user, w.time, w.between, w.request, w.rest, ok)
		}
	}
}

func TestStamp(t *testing.T) {
	for text, want := range map[string]int64{
		"14/Nov/2023:22:13:20 +0000":     1700000000,
		"15/Nov/2023:00:13:20 +0200":     1700000000,
		"14/Nov/2023:16:43:20 -0530":     1700000000,
		"14/Nov/2023:23:13:20 +01":       1700000000,
		"15/Nov/2023:00:13:20 +02:00":    1700000000,
		"14/Nov/2023:22:13:20":           1700000000,
		"14/Nov/2023:22:13:20 UTC":       1700000000,
		"14/Nov/2023:22:13:20 GMT":       1700000000,
		"14/Nov/2023:22:13:20.999 +0000": 1700000000,
		"4/Nov/2023:2:3:4 +0000":         1699063384,
		"29/Feb/2024:00:00:00 +0000":     1709164800,
		"31/Dec/2016:23:59:60 +0000":     1483228800,
		"01/Jan/1969:00:00:00 +0000":     -31536000,
	} {
		if got, ok := parseStamp([]byte(text)); !ok || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "14", "14/", "14/Nov", "14/Nov/2023", "14/Nov/2023:22:13", "14/Nov/2023:22:13:", "14/nov/2023:22:13:20", "14/anF/2023:22:13:20", "14/No/2023:22:13:20 +0000", "00/Nov/2023:22:13:20",
		"31/Nov/2023:22:13:20", "29/Feb/2023:22:13:20", "14/Nov/23:22:13:20", "14/Nov/2023:24:13:20", "14/Nov/2023:22:60:20", "14/Nov/2023:22:13:61", "14/Nov/2023:22:13:20 ",
		"14/Nov/2023:22:13:20 CET", "14/Nov/2023:22:13:20 +", "14/Nov/2023:22:13:20 +1", "14/Nov/2023:22:13:20 +01000", "14/Nov/2023:22:13:20 +0160", "14/Nov/2023:22:13:20 +2400",
		"14/Nov/2023:22:13:20 0100", "14/Nov/2023:22:13:20+0100", "14/Nov/2023:22:13:20 +0000 x", "2023-11-14T22:13:20Z", "x4/Nov/2023:22:13:20",
	} {
		if got, ok := parseStamp([]byte(text)); ok {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestQuoted(t *testing.T) {
	compared := strings.Repeat("x", requestLimit)
	for _, c := range []struct {
		line, want string
		ok         bool
	}{
		{`a "b" c`, "b", true},
		{`a "b" "c"`, "b", true},
		{`""`, "", true},
		{`a "` + compared, compared, true},
		{`a "` + compared[1:], compared[1:], false},
		{`a "b c`, "b c", false},
		{`a b c`, "", false},
	} {
		if got, ok := quoted([]byte(c.line)); ok != c.ok || string(got) != c.want {
			t.Errorf("%.40q: %.40q, %v", c.line, got, ok)
		}
	}
}

func TestServersAreCalledOneWay(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "www1": "www1", "2001:DB8:0::1": "2001:db8::1", "::ffff:10.0.0.1": "10.0.0.1", "fe80::1%eth0": "fe80::1", "a:b": "a:b",
	} {
		if got := appendServer(nil, []byte(in)); string(got) != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	if got := appendAddr(nil, netip.MustParseAddr("::ffff:10.0.0.1")); string(got) != "10.0.0.1" {
		t.Errorf("%s", got)
	}
}
