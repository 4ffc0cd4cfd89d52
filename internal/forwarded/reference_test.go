package forwarded

import (
	"regexp"
	"strings"
)

// The patterns of the reference. (?s) throughout: a dot is any byte.
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"

var (
	rBlankLine   = regexp.MustCompile(`^\r?\n`)
	rCandidate   = regexp.MustCompile("^(?:" + token + "|[\r\n\t\v\f ])")
	rRequest     = regexp.MustCompile("(?s)^(" + token + ") [^\\x00- \\x7f]+ HTTP/1\\.([0-9])(\r?)\n$")
	rResembles   = regexp.MustCompile(`^GET |(?i:http/)`)
	rField       = regexp.MustCompile("(?s)^(" + token + "):[ \t]*([^\r\\x00]*?)[ \t]*$")
	rDigits      = regexp.MustCompile(`^[0-9]{1,18}$`)
	rChunkLine   = regexp.MustCompile("(?s)^([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n\\x00]*)?\r\n$")
	rChunkPrefix = regexp.MustCompile("(?s)^(?:|[0-9A-Fa-f]{1,16}(?:[ \t]*|[ \t]*;[^\r\n\\x00]*)\r?)$")
)

// reference is the slow, plain reading of a whole stream: what comes out of the filter, and how it stands at the end. It has the whole stream in hand and reads it
// message by message; it shares nothing with the filter but the decisions of the package's documentation.
type reference struct {
	in, client string
	out        strings.Builder
	bad        bool
	passing    bool
	heads      int // requests whose header is whole
}

func refer(in, client string) *reference {
	r := &reference{in: in, client: client}
	mayLeave := true
	for r.in != "" && !r.bad && !r.passing {
		mayLeave = r.message(mayLeave)
	}
	return r
}

// take sends n bytes on as they are.
func (r *reference) take(n int) {
	r.out.WriteString(r.in[:n])
	r.in = r.in[n:]
}

// line returns the next line with its LF, or "" if it is not all there.
func (r *reference) line() string { return r.in[:strings.IndexByte(r.in, '\n')+1] }

func (r *reference) other(mayLeave bool) {
	if r.passing, r.bad = mayLeave, !mayLeave; mayLeave {
		r.take(len(r.in))
	}
}

// message reads one request, or what stands in its place, and says whether another protocol may follow it.
func (r *reference) message(mayLeave bool) bool {
	if blank := rBlankLine.FindString(r.in); blank != "" {
		r.take(len(blank))
		return mayLeave
	}
	if !rCandidate.MatchString(r.in) {
		r.other(mayLeave)
		return false
	}
	line := r.line()
	if line == "" {
		r.take(len(r.in))
		return false
	}
	m := rRequest.FindStringSubmatch(line)
	if m == nil {
		r.take(len(line))
		switch {
		case mayLeave && line == "PRI * HTTP/2.0\r\n":
			n := 0
			for n < len(r.in) && n < 8 && r.in[n] == "\r\nSM\r\n\r\n"[n] {
				n++
			}
			r.bad = n < len(r.in) && n < 8
			r.take(n)
			if n == 8 {
				r.other(true)
			}
		case rResembles.MatchString(line), strings.ContainsAny(line[:1], " \t\v\f\r"):
			r.bad = true
		default:
			r.other(mayLeave)
		}
		return false
	}
	r.take(len(line))
	return r.head(m[1], m[2], m[3]+"\n")
}

// head reads the fields and what they frame. method, minor version and line end are the request line's.
func (r *reference) head(method, minor, eol string) (mayLeave bool) {
	var lists, lengths, codings []string
	for {
		line := r.line()
		text, ends := strings.CutSuffix(line, eol)
		switch {
		case line == "":
			r.in = ""
			return false
		case !ends || strings.HasSuffix(text, "\r"):
			r.bad = true
			return false
		case text == "":
			r.in = r.in[len(line):]
			r.frame(method, minor, eol, lists, lengths, codings)
			return mayLeave || method == "CONNECT"
		}
		field := rField.FindStringSubmatch(text)
		if field == nil {
			r.bad = true
			return false
		}
		switch strings.ToLower(field[1]) {
		case "content-length":
			lengths = append(lengths, strings.TrimLeft(field[2], "0"))
			r.bad = !rDigits.MatchString(field[2]) || lengths[0] != lengths[len(lengths)-1]
		case "transfer-encoding":
			codings = append(codings, field[2])
			r.bad = len(codings) > 1 || strings.ToLower(field[2]) != "chunked" || len(field[2]) != 7
		case "upgrade":
			mayLeave = true
		case "x-forwarded-for":
			if len(lists) > 0 {
				r.out.WriteString(lists[len(lists)-1] + eol)
			}
			lists = append(lists, text)
			r.in = r.in[len(line):]
			continue
		case "x-forwarded-proto", "x_forwarded_proto", "x_forwarded-proto", "x-forwarded_proto", "x_forwarded_for", "x_forwarded-for", "x-forwarded_for":
			r.in = r.in[len(line):]
			continue
		}
		if r.bad {
			return false
		}
		r.take(len(line))
	}
}

// frame writes our fields and reads the content.
func (r *reference) frame(method, minor, eol string, lists, lengths, codings []string) {
	length := ""
	if len(lengths) > 0 {
		length = lengths[0]
	}
	chunked := len(codings) > 0
	if chunked && (minor == "0" || len(lengths) > 0) || method == "CONNECT" && (chunked || length != "") {
		r.bad = true
		return
	}
	r.heads++
	list := "X-Forwarded-For: " + r.client
	if len(lists) > 0 {
		last := rField.FindStringSubmatch(lists[len(lists)-1])
		if list = last[1] + ": " + r.client; last[2] != "" {
			list = strings.TrimRight(lists[len(lists)-1], " \t") + ", " + r.client
		}
	}
	r.out.WriteString("X-Forwarded-Proto: http" + eol + list + eol + eol)
	switch {
	case chunked:
		r.chunks()
	case length != "":
		n := 0
		for _, c := range length {
			n = n*10 + int(c-'0')
		}
		r.take(min(n, len(r.in)))
	}
}

func (r *reference) chunks() {
	for r.in != "" {
		n := 0
		for n < len(r.in) && rChunkPrefix.MatchString(r.in[:n+1]) {
			n++
		}
		if n < len(r.in) && rChunkLine.MatchString(r.in[:n+1]) {
			n++
		} else {
			r.bad = n < len(r.in)
			r.take(n)
			return
		}
		size := uint64(0)
		for _, c := range strings.ToLower(rChunkLine.FindStringSubmatch(r.in[:n])[1]) {
			size = size<<4 | uint64(strings.IndexRune("0123456789abcdef", c))
		}
		r.take(n)
		if size == 0 {
			r.trailers()
			return
		}
		r.take(int(min(size, uint64(len(r.in)))))
		for _, c := range []byte("\r\n") {
			if r.in == "" {
				return
			}
			if r.in[0] != c {
				r.bad = true
				return
			}
			r.take(1)
		}
	}
}

func (r *reference) trailers() {
	for {
		line := r.line()
		text, ends := strings.CutSuffix(line, "\r\n")
		if line == "" {
			r.in = ""
			return
		}
		field := rField.FindStringSubmatch(text)
		if !ends || text != "" && field == nil {
			r.bad = true
			return
		}
		if text != "" {
			switch strings.ReplaceAll(strings.ToLower(field[1]), "_", "-") {
			case "x-forwarded-for", "x-forwarded-proto":
				r.bad = true
				return
			}
			switch strings.ToLower(field[1]) {
			case "content-length", "transfer-encoding", "upgrade":
				r.bad = true
				return
			}
		}
		r.take(len(line))
		if text == "" {
			return
		}
	}
}
