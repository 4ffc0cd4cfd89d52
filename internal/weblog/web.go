package weblog

import (
	"bytes"
	"strings"
	"time"
)

// webLine is a line of a web server's log. The slices are parts of the line it was read from.
type webLine struct {
	user    []byte // what stands between the client and the time: ident and user
	time    int64  // unix seconds
	between []byte // what stands between the time and the request, mostly a space
	request []byte
	rest    []byte // what stands behind the request
}

// parseWebLine reads a line in Apache's common or combined format, without its end: CLIENT USER[TIME] "REQUEST" REST, where no part may be empty (Debian's mergelogs asks for the same).
// False: it is no such line, torn for example.
func parseWebLine(line []byte) (w webLine, ok bool) {
	client, line, ok := bytes.Cut(line, space)
	if !ok || len(client) == 0 {
		return webLine{}, false
	}
	var stamp []byte
	if w.user, line, ok = cutByte(bytes.TrimLeft(line, " \t"), '['); !ok {
		return webLine{}, false
	}
	if stamp, line, ok = cutByte(line, ']'); !ok {
		return webLine{}, false
	}
	if w.between, line, ok = cutByte(line, '"'); !ok {
		return webLine{}, false
	}
	if w.request, w.rest, ok = cutByte(line, '"'); !ok || len(w.rest) == 0 {
		return webLine{}, false
	}
	if w.time, ok = parseStamp(stamp); !ok {
		return webLine{}, false
	}
	return w, true
}

// cutByte is bytes.Cut around one byte, and false if nothing stands before it.
func cutByte(b []byte, sep byte) (before, after []byte, ok bool) {
	i := bytes.IndexByte(b, sep)
	if i <= 0 {
		return nil, nil, false
	}
	return b[:i], b[i+1:], true
}

// quoted is the request in a line of any format: what stands between the first two quotes. A line cut by penlog may have lost the second one; that does not matter if it still has all of the
// request that is compared.
func quoted(line []byte) (request []byte, ok bool) {
	_, line, ok = bytes.Cut(line, quote)
	if !ok {
		return nil, false
	}
	request, _, ok = bytes.Cut(line, quote)
	return request, ok || len(request) >= requestLimit
}

// stampLayout is how mergelogs writes a time; it is always in UTC.
const stampLayout = "02/Jan/2006:15:04:05 +0000"

// parseStamp reads a web server's time, 14/Nov/2023:22:13:20 +0100, as unix seconds. Without a zone it is UTC. PEN.md B22: the zone counts, and daylight saving is part of it.
func parseStamp(b []byte) (unix int64, ok bool) {
	s := stampReader{rest: b}
	day := s.number(1, 2)
	s.skip('/')
	month := s.month()
	s.skip('/')
	year := s.number(4, 4)
	s.skip(':')
	hour := s.number(1, 2)
	s.skip(':')
	minute := s.number(1, 2)
	s.skip(':')
	second := s.number(1, 2)
	if len(s.rest) > 0 && s.rest[0] == '.' { // parts of a second, which nobody here needs
		s.rest = bytes.TrimLeft(s.rest[1:], "0123456789")
	}
	offset := s.zone()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if s.bad || midnight.Day() != day || hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	return midnight.Unix() + int64(hour*3600+minute*60+second-offset), true
}

// stampReader reads a time from the left. Once bad it stays so.
type stampReader struct {
	rest []byte
	bad  bool
}

func (s *stampReader) skip(c byte) {
	if s.bad = s.bad || len(s.rest) == 0 || s.rest[0] != c; !s.bad {
		s.rest = s.rest[1:]
	}
}

// number reads from least to most digits.
func (s *stampReader) number(least, most int) (n int) {
	i := 0
	for ; i < most && i < len(s.rest) && s.rest[i] >= '0' && s.rest[i] <= '9'; i++ {
		n = n*10 + int(s.rest[i]-'0')
	}
	s.bad = s.bad || i < least
	s.rest = s.rest[i:]
	return n
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

func (s *stampReader) month() time.Month {
	if len(s.rest) < 3 {
		s.bad = true
		return 0
	}
	i := strings.Index(months, string(s.rest[:3]))
	s.bad = s.bad || i < 0 || i%3 != 0
	s.rest = s.rest[3:]
	return time.Month(i/3 + 1)
}

// zone reads the rest: nothing, UTC, GMT, Z, or hours and perhaps minutes ahead of UTC. The result is in seconds.
func (s *stampReader) zone() int {
	if len(s.rest) == 0 {
		return 0
	}
	s.skip(' ')
	switch string(s.rest) {
	case "UTC", "GMT", "Z":
		return 0
	case "":
		s.bad = true
		return 0
	}
	sign := 1
	if s.rest[0] == '-' {
		sign = -1
	} else {
		s.bad = s.bad || s.rest[0] != '+'
	}
	s.rest = s.rest[1:]
	hours, minutes := s.number(2, 2), 0
	if len(s.rest) > 0 {
		s.rest = bytes.TrimPrefix(s.rest, []byte(":"))
		minutes = s.number(2, 2)
	}
	s.bad = s.bad || len(s.rest) > 0 || hours > 23 || minutes > 59
	return sign * (hours*60 + minutes) * 60
}
