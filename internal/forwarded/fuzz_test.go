package forwarded

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// overhead is more than the filter adds to one request.
const overhead = len("X-Forwarded-Proto: http\r\nX-Forwarded-For: 192.0.2.7\r\n") + 2

// FuzzFilter holds any stream, cut into any pieces, against the slow reference and against net/http's reading of it.
func FuzzFilter(f *testing.F) {
	for _, c := range good {
		f.Add(c.in, uint64(1))
	}
	for _, c := range others {
		f.Add(c.in, uint64(2))
	}
	for _, c := range evil {
		f.Add(c.in, uint64(3))
	}
	f.Fuzz(func(t *testing.T, in string, seed uint64) {
		if len(in) > maxLine {
			return // the bounds have tests of their own
		}
		examine(t, in, seed)
	})
}

func examine(t *testing.T, in string, seed uint64) {
	t.Helper()
	want := refer(in, here.String())
	pieces := cut(rand.New(rand.NewPCG(seed, 0)), in)
	filter := New(here, "http")
	var out []byte
	untouched := -1 // where in out it begins to pass
	for _, piece := range pieces {
		out = filter.Append(out, []byte(piece))
		if filter.Passing() && untouched < 0 {
			untouched = len(out)
		}
	}
	if string(out) != want.out.String() || filter.Bad() != want.bad || filter.Passing() != want.passing {
		t.Fatalf("%q in pieces %q\n got %q, bad %t (%s), passing %t\nwant %q, bad %t, passing %t",
			in, pieces, out, filter.Bad(), filter.Cause(), filter.Passing(), want.out.String(), want.bad, want.passing)
	}
	if len(out) > len(in)+want.heads*overhead {
		t.Errorf("%q: %d bytes in, %d out, %d requests", in, len(in), len(out), want.heads)
	}
	if whole := filtered(here, false, in); whole.out != string(out) || whole.passing != want.passing || (whole.cause != "") != want.bad {
		t.Errorf("%q in one piece: %v\nin pieces %q: %q", in, whole, pieces, out)
	}
	received, sound := requests(string(out))
	for _, r := range received {
		if r.Method == "PRI" {
			break // HTTP/2 begins
		}
		if untouched >= 0 && r.end > untouched {
			break
		}
		lists := r.Header.Values("X-Forwarded-For")
		if protos := r.Header.Values("X-Forwarded-Proto"); len(lists) == 0 || !endsWith(lists[len(lists)-1], here.String()) || !reflect.DeepEqual(protos, []string{"http"}) {
			t.Errorf("%q: net/http reads a %s with lists %q, protos %q", in, r.Method, lists, protos)
		}
	}
	if !want.bad && !want.passing {
		compare(t, in, received, sound)
	}
}

// compare holds what net/http reads before and behind the filter against each other, if it can read what came in at all.
func compare(t *testing.T, in string, received []request, sound bool) {
	sent, readable := requests(in)
	if !readable {
		return
	}
	if len(sent) != len(received) || !sound {
		t.Errorf("%q: net/http reads %d requests before the filter, %d behind it (to the end: %t)", in, len(sent), len(received), sound)
		return
	}
	for i, r := range received {
		s := sent[i]
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto"} {
			delete(s.Header, name)
			delete(r.Header, name)
		}
		for name := range s.Header {
			if strings.Contains(name, "_") && kindOf([]byte(name)) == forgery {
				delete(s.Header, name)
			}
		}
		if s.Method != r.Method || s.RequestURI != r.RequestURI || s.Proto != r.Proto || s.content != r.content || !reflect.DeepEqual(s.Header, r.Header) || !reflect.DeepEqual(s.Trailer, r.Trailer) {
			t.Errorf("%q: request %d\nwas %v %q\n is %v %q", in, i, s.Request, s.content, r.Request, r.content)
		}
	}
}

func endsWith(list, last string) bool { return list == last || strings.HasSuffix(list, ", "+last) }

type request struct {
	*http.Request
	content string
	end     int // where in the stream its header ends, at the latest
}

// requests reads a stream as a server built on net/http does. sound says that nothing is left over.
func requests(stream string) (all []request, sound bool) {
	rest := strings.NewReader(stream)
	buffered := bufio.NewReader(rest)
	for {
		for { // as a server does, skip blank lines
			if ahead, err := buffered.Peek(2); err != nil && len(ahead) == 0 {
				return all, true
			} else if ahead[0] == '\n' {
				buffered.Discard(1)
			} else if string(ahead) == "\r\n" {
				buffered.Discard(2)
			} else {
				break
			}
		}
		r, err := http.ReadRequest(buffered)
		if err != nil {
			return all, false
		}
		all = append(all, request{Request: r, end: len(stream) - rest.Len() - buffered.Buffered()})
		content, err := io.ReadAll(r.Body)
		if err != nil {
			return all, false
		}
		all[len(all)-1].content = string(content)
	}
}

// cut cuts a stream into a few pieces, some of them small.
func cut(random *rand.Rand, in string) (pieces []string) {
	for in != "" {
		n := 1 + random.IntN(len(in))
		if random.IntN(2) == 0 {
			n = min(len(in), 1+random.IntN(8))
		}
		pieces = append(pieces, in[:n])
		in = in[n:]
	}
	return pieces
}

// Streams of requests made beside what must become of them; then the same with a byte changed, dropped or doubled here and there.
func TestRandomStreams(t *testing.T) {
	const seed = 12
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	bad, passing := 0, 0
	for n := range 300 {
		var in, want strings.Builder
		for range 1 + random.IntN(4) {
			i, w := anyRequest(random)
			in.WriteString(i)
			want.WriteString(w)
		}
		if got := filtered(here, true, cut(random, in.String())...); got != (result{out: want.String()}) {
			t.Fatalf("%q\n got %v\nwant %q", in.String(), got, want.String())
		}
		examine(t, in.String(), uint64(n))
		hurt := []byte(in.String())
		for range 1 + random.IntN(2) {
			at := random.IntN(len(hurt))
			switch random.IntN(4) {
			case 0:
				hurt[at] = " \r\n\t:;,\x000aG_\xff"[random.IntN(13)]
			case 1:
				hurt = append(hurt[:at], hurt[at+1:]...)
			case 2:
				hurt = append(hurt[:at+1], hurt[at:]...)
			case 3:
				hurt = append(hurt[:at:at], hurt[random.IntN(at+1):]...)
			}
			if len(hurt) == 0 {
				break
			}
		}
		examine(t, string(hurt), uint64(n))
		if r := refer(string(hurt), here.String()); r.bad {
			bad++
		} else if r.passing {
			passing++
		}
	}
	if bad < 40 || bad > 260 || passing == 0 {
		t.Errorf("the test has gone blind: %d streams bad, %d passing", bad, passing)
	}
}

// anyRequest makes a request and what the filter must make of it.
func anyRequest(random *rand.Rand) (in, want string) {
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	eol := pick("\r\n", "\r\n", "\n")
	line := pick("GET", "POST", "PUT", "HEAD", "x-y.z") + " " + pick("/", "/a/b?c=d", "http://a/", "*") + " HTTP/1." + pick("0", "1", "1") + eol
	in, want = line, line
	earlier, list := "", "X-Forwarded-For: "+here.String()+eol
	field := func(text string) { in, want = in+text+eol, want+text+eol }
	for range random.IntN(6) {
		switch random.IntN(5) {
		case 0:
			name, value, blanks := pick("X-Forwarded-For", "x-forwarded-for", "X-FORWARDED-FOR"), pick("", "1.1.1.1", "a, b", "::1"), pick("", " ", "\t ")
			want += earlier // it was not the last one
			earlier = name + ": " + value + blanks + eol
			in += earlier
			if list = name + ": " + here.String() + eol; value != "" {
				list = name + ": " + value + ", " + here.String() + eol
			}
		case 1:
			in += pick("X-Forwarded-Proto", "x-forwarded-proto", "X_Forwarded_For") + ": " + pick("https", "") + eol
		default:
			field(pick("A", "cookie", "Accept-Language") + pick(":", ": ", ":\t") + pick("", "b", "c: d, e"))
		}
	}
	content := ""
	switch {
	case random.IntN(3) == 0:
		content = pick("", "x", "GET / HTTP/1.1\r\n\r\n", "\n\n\x00\xff")
		field(pick("Content-Length: ", "content-length:") + pick("", "0") + strconv.Itoa(len(content)))
	case strings.Contains(line, "HTTP/1.1") && random.IntN(2) == 0:
		field("Transfer-Encoding: chunked")
		for range random.IntN(3) {
			data := pick("x", "GET / HTTP/1.1\r\n\r\n", "0\r\n\r\n", strings.Repeat("y", 300))
			content += pick("", "0") + strconv.FormatInt(int64(len(data)), 16) + pick("", " ", ";a=b", " ; c") + "\r\n" + data + "\r\n"
		}
		content += pick("0", "00", "0;z") + "\r\n" + pick("", "", "Digest: q\r\n") + "\r\n"
	}
	return in + eol + content, want + "X-Forwarded-Proto: http" + eol + list + eol + content
}
