package weblog

import (
	"bytes"
	"testing"
	"time"
)

// isPart says that b is part of the bytes of whole, not a copy.
func isPart(whole, b []byte) bool {
	return len(b) == 0 || bytes.Contains(whole, b)
}

func FuzzPenLine(f *testing.F) {
	for _, seed := range []string{"10.0.0.1 1700000000 192.168.0.1 GET / HTTP/1.1", " 1 s X", "c 1 s ", "c 1 s", "", "c 99999999999999999999 s X", "c 1 2001:DB8::1 X\r"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		p, ok := parsePenLine(line)
		if !ok {
			if !samePenLine(p, penLine{}) {
				t.Errorf("both %v and refused", p)
			}
			return
		}
		if p.epoch < 0 || len(p.client) > nameLimit || len(p.server) > nameLimit || bytes.ContainsRune(p.client, ' ') || bytes.ContainsRune(p.server, ' ') || !bytes.HasSuffix(line, p.request) {
			t.Errorf("%q became %v", line, p)
		}
		if key := appendKey(nil, p.server, p.request); len(key) > nameLimit+1+requestLimit {
			t.Errorf("a key of %d bytes", len(key))
		}
	})
}

func FuzzPenDatagram(f *testing.F) {
	for _, seed := range []string{"+ 10.0.0.1 127.0.0.1 GET /", "+10.0.0.1 ::1 X", "+  ::1 X", "+ a b ::1 x", "+", "+ ", "++ + + +"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		p, ok := parsePenDatagram(line)
		if !ok {
			if !samePenLine(p, penLine{}) {
				t.Errorf("both %v and refused", p)
			}
			return
		}
		if len(p.client) > nameLimit || bytes.ContainsRune(p.client, ' ') || bytes.ContainsRune(p.server, ' ') || len(p.request) > penDatagram || !isPart(line, p.request) {
			t.Errorf("%q became %v", line, p)
		}
	})
}

func FuzzWebLine(f *testing.F) {
	for _, seed := range []string{`127.0.0.1 - - [14/Nov/2023:22:13:20 +0000] "GET / HTTP/1.1" 200 5`, `a b[c]d"e"f`, `a "b`, "", `::1 - - [01/Jan/2000:00:00:00 -0800]  "" x`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if request, ok := quoted(line); ok && (bytes.Contains(request, quote) || !isPart(line, request)) {
			t.Errorf("%q: the request %q", line, request)
		}
		w, ok := parseWebLine(line)
		if !ok {
			return
		}
		if len(w.user) == 0 || len(w.between) == 0 || len(w.request) == 0 || len(w.rest) == 0 {
			t.Errorf("%q became %v", line, w)
		}
		tail := bytes.Join([][]byte{w.between, quote, w.request, quote, w.rest}, nil)
		if !bytes.HasSuffix(line, tail) {
			t.Errorf("%q does not end in %q", line, tail)
		}
	})
}

func FuzzStamp(f *testing.F) {
	for _, seed := range []string{"14/Nov/2023:22:13:20 +0000", "4/Feb/2024:2:3:60.5 -12:30", "14/Nov/2023:22:13:20 UTC", "31/Dec/9999:23:59:59 -2359", "", "////::: "} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		at, ok := parseStamp(text)
		if !ok {
			return
		}
		written := time.Unix(at, 0).UTC().Format(stampLayout)
		if year := time.Unix(at, 0).UTC().Year(); year < 0 || year > 9999 {
			return // one that a zone has moved out of those that can be written
		}
		if again, ok := parseStamp([]byte(written)); !ok || again != at {
			t.Errorf("%q is %d, written %s, read again %d, %v", text, at, written, again, ok)
		}
	})
}

func FuzzServerLog(f *testing.F) {
	for _, seed := range []string{"10.0.0.1:a.log", "[::1]:a.log", "[::1]", "::1:a", ":a", "a:", "[:", "[a]:b", "a:b:c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		l, err := parseServerLog(arg)
		if err != nil {
			if l != (serverLog{}) {
				t.Errorf("%q: both %v and %v", arg, l, err)
			}
			return
		}
		if l.server == "" || l.file == "" || l.server+":"+l.file != arg && "["+l.server+"]:"+l.file != arg {
			t.Errorf("%q became %q", arg, l)
		}
	})
}
