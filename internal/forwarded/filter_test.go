package forwarded

import (
	"bytes"
	"strings"
	"testing"
	"unsafe"
)

// A stream may end anywhere but inside a header: some servers answer a request whose header was cut off, and would trust what stands in it.
func TestEnd(t *testing.T) {
	for _, c := range []struct{ in, cause string }{
		{"", ""},
		{"\r\n", ""},
		{"GET / HTTP/1.1\r\n\r\n", ""},
		{"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", ""},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na", ""},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r", ""},
		{"QUI", ""},
		{"EHLO m", ""},
		{"PRI * H", ""},
		{"GET / HTTP/1.1\r\n", "stream ends inside a header"},
		{"GET / HTTP/1.1\r\nX-Forwarded-For: 1.1.1.1\r\n", "stream ends inside a header"},
		{"GET / HTTP/1.1\r\nX-Forwarded-For: 1.1.1.1\r\n\r", "stream ends inside a header"},
		{"GET / HTTP/1.1\r\nHo", "stream ends inside a header"},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA", "stream ends inside a header"},
		{"GET /", "stream ends inside a request line"},
		{"POST / HTTP/1.1", "stream ends inside a request line"},
	} {
		if got := filtered(here, true, c.in); got.cause != c.cause {
			t.Errorf("%q: cause %q, want %q", c.in, got.cause, c.cause)
		}
		if got := filtered(here, false, c.in); got.cause != "" {
			t.Errorf("%q: bad before its end: %q", c.in, got.cause)
		}
	}
}

// The end that came first stands.
func TestEndOfWhatIsOver(t *testing.T) {
	if got := filtered(here, true, "GET / HTTP/1.1\r\nA\r\n"); got.cause != "malformed header line" {
		t.Error(got)
	}
	if got := filtered(here, true, "\x16GET /"); !got.passing || got.cause != "" {
		t.Error(got)
	}
}

// Of all the bytes that a stranger's protocol may wait for an answer to, none is held back.
func TestNothingOfAnotherProtocolIsHeld(t *testing.T) {
	for _, in := range []string{"Q", "EHLO me", "0 \x02\x01", "AMQP\x00\x00\x09\x01", " ", "\r", "PRI", "PRI * HTTP/2.0\r\n\r\nSM", "GET /slow HTT"} {
		if got := filtered(here, false, strings.Split(in, "")...); got.out != in {
			t.Errorf("of %q only %q came out", in, got.out)
		}
	}
}

// line makes a line of n bytes, end included, out of two pieces and filling between them.
func line(n int, begin, end string) string {
	return begin + strings.Repeat("a", n-len(begin)-len(end)) + end
}

func TestLongLines(t *testing.T) {
	longTarget := line(maxLine, "GET /", " HTTP/1.1\r\n")
	longField := line(maxLine, "Cookie: ", "\r\n")
	many := strings.Repeat(line(1000, "Cookie: ", "\r\n"), 200)
	longList := line(maxLine, "X-Forwarded-For: ", "\r\n")
	check := func(name, in string, want result) {
		t.Helper()
		for _, size := range []int{len(in), 1000, 4096, maxLine, maxLine - 1} {
			var pieces []string
			for rest := in; rest != ""; rest = rest[min(size, len(rest)):] {
				pieces = append(pieces, rest[:min(size, len(rest))])
			}
			if got := filtered(here, false, pieces...); got != want {
				t.Errorf("%s in pieces of %d: %d bytes, cause %q, passing %t; want %d, %q, %t",
					name, size, len(got.out), got.cause, got.passing, len(want.out), want.cause, want.passing)
			}
		}
	}
	if len(many) < 3*maxLine {
		t.Fatal("not long")
	}
	check("target", longTarget+"\r\n", result{out: longTarget + ours + "\r\n"})
	check("target, one more", "P"+longTarget+"\r\n", result{out: ("P" + longTarget)[:maxLine], cause: "request line too long"})
	check("field", "GET / HTTP/1.1\r\n"+longField+"\r\n", result{out: "GET / HTTP/1.1\r\n" + longField + ours + "\r\n"})
	check("field, one more", "GET / HTTP/1.1\r\nA: b\r\na"+longField+"\r\n", result{out: "GET / HTTP/1.1\r\nA: b\r\n", cause: "header line too long"})
	check("list", "GET / HTTP/1.1\r\n"+longList+"\r\n", result{out: "GET / HTTP/1.1\r\nX-Forwarded-Proto: http\r\n" + strings.TrimSpace(longList) + ", 192.0.2.7\r\n\r\n"})
	check("no line", "AMQP\x00"+strings.Repeat("a", 2*maxLine), result{out: "AMQP\x00" + strings.Repeat("a", 2*maxLine), passing: true})
	check("no end, blanks", strings.Repeat(" ", 2*maxLine), result{out: strings.Repeat(" ", maxLine), cause: "request line too long"})
	check("a long header", "GET / HTTP/1.1\r\n"+many+"\r\n", result{out: "GET / HTTP/1.1\r\n" + many + ours + "\r\n"})
	check("a long trailer", chunked("0\r\n"+many+"\r\n"), result{out: chunkedOut("0\r\n" + many + "\r\n")})
	check("trailer line, one more", chunked("0\r\na"+longField+"\r\n"), result{out: chunkedOut("0\r\n"), cause: "header line too long"})
}

// A connection that waits for its next request holds next to nothing, whatever came before, and one that is over holds nothing.
func TestIdleIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Filter{}); size > 128 {
		t.Errorf("a Filter has %d bytes", size)
	}
	big := line(maxLine, "X-Forwarded-For: ", "\r\n")
	for _, c := range []struct {
		end  string
		keep int
	}{
		{"\r\n", idleKeep},
		{"bad\r\n", 0},
		{"Upgrade: x\r\n\r\nhello\r\n", 0},
	} {
		f := New(here, "http")
		var out []byte
		in := "GET / HTTP/1.1\r\n" + big + c.end
		for i := 0; i < len(in); i += 100 {
			out = f.Append(out[:0], []byte(in[i:min(i+100, len(in))]))
		}
		if held := cap(f.line) + cap(f.list); held > c.keep {
			t.Errorf("after %q %d bytes are held", c.end, held)
		}
	}
}

func TestReset(t *testing.T) {
	f := New(six, "https")
	f.Append(nil, []byte("POST / HTTP/1.0\r\nUpgrade: x\r\nX-Forwarded-For: a\r\nContent-Length: 7\r\nA: "))
	for range 2 {
		f.Reset(here, "http")
		if got := string(f.Append(nil, []byte("GET / HTTP/1.1\r\n\r\n"))); got != "GET / HTTP/1.1\r\n"+ours+"\r\n" {
			t.Errorf("after Reset: %q", got)
		}
		if f.Append(nil, []byte("hello\n")); !f.Bad() || f.Cause() == "" {
			t.Error("after Reset anything may follow a request")
		}
	}
	if f.Reset(here, "http"); f.Bad() || f.Cause() != "" || f.Passing() {
		t.Error("after Reset still bad")
	}
	if f.Append(nil, []byte("hello\n")); !f.Passing() {
		t.Error("after Reset no other protocol may come")
	}
}

// What dst held before stays in front.
func TestAppendAppends(t *testing.T) {
	f := New(here, "http")
	if got := string(f.Append([]byte("before "), []byte("GET / HTTP/1.1\r\n\r\n"))); got != "before GET / HTTP/1.1\r\n"+ours+"\r\n" {
		t.Errorf("%q", got)
	}
	if got := f.Append([]byte("alone"), nil); string(got) != "alone" {
		t.Errorf("%q", got)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 8192)
	for name, in := range map[string]string{
		"plain":     "GET / HTTP/1.1\r\nHost: a\r\nCookie: b=c\r\n\r\n",
		"list":      "GET / HTTP/1.1\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: https\r\n\r\n",
		"content":   "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n123456789",
		"chunked":   chunked("3;a=b\r\nabc\r\n0\r\nA: b\r\n\r\n"),
		"pipelined": strings.Repeat("HEAD / HTTP/1.1\r\nA: b\r\n\r\n", 20),
	} {
		for _, size := range []int{len(in), 7, 1} {
			f := New(six, "http")
			var pieces [][]byte
			for rest := []byte(in); len(rest) > 0; rest = rest[min(size, len(rest)):] {
				pieces = append(pieces, rest[:min(size, len(rest))])
			}
			send := func() {
				for _, piece := range pieces {
					dst = f.Append(dst[:0], piece)
				}
			}
			send() // the buffers grow once
			if n := testing.AllocsPerRun(20, send); n != 0 || f.Bad() || f.Passing() {
				t.Errorf("%s in pieces of %d: %v allocations, bad %t, passing %t", name, size, n, f.Bad(), f.Passing())
			}
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	request := []byte("GET /index.html?a=b HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0\r\n" +
		"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nCookie: session=0123456789abcdef\r\n\r\n")
	content := bytes.Repeat([]byte("x"), 32<<10)
	dst := make([]byte, 0, 64<<10)
	b.Run("request", func(b *testing.B) {
		f := New(here, "http")
		b.SetBytes(int64(len(request)))
		for b.Loop() {
			dst = f.Append(dst[:0], request)
		}
	})
	b.Run("content", func(b *testing.B) {
		f := New(here, "http")
		f.Append(nil, []byte("POST / HTTP/1.1\r\nContent-Length: 999999999999999999\r\n\r\n"))
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			dst = f.Append(dst[:0], content)
		}
	})
}
