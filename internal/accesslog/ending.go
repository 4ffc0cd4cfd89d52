package accesslog

import (
	"fmt"
	"strconv"
	"time"

	"pen/internal/account"
)

// maxEnding bounds the line of an ending, bytes. The only part of it without a bound of its own, the server's name, is cut to maxName.
const (
	maxEnding = 896
	maxName   = 64
)

// Format is how a line about the end of a connection is written.
type Format uint8

// The formats. Pen has a line for each read of a client's bytes, and none for endings.
const (
	Pen Format = iota
	JSON
	Logfmt
)

// ParseFormat reads pen, json or logfmt.
func ParseFormat(s string) (Format, error) {
	for f, name := range []string{"pen", "json", "logfmt"} {
		if s == name {
			return Format(f), nil
		}
	}
	return Pen, fmt.Errorf("log format %q: expected pen, json or logfmt", s)
}

// Witness writes endings to a log opened with OpenEndings, in a format that is not Pen's.
type Witness struct {
	*Log
	Format Format
}

// Closed logs an ending. It never blocks and never allocates; a line that finds the ring full is dropped and counted.
func (w Witness) Closed(t *account.Trail) {
	if w.closed.Load() {
		w.drop(1)
		return
	}
	var room [maxEnding]byte
	w.count(w.lines.putWhole(w.Format.append(room[:0], t)))
}

// Line is the line of an ending, without a newline.
func (f Format) Line(t *account.Trail) string { return string(f.append(nil, t)) }

// append appends the line of an ending, without a newline.
func (f Format) append(b []byte, t *account.Trail) []byte {
	if f == JSON {
		b = append(b, '{')
	}
	b = f.quote(f.key(b, "time"))
	b = f.quote(time.Unix(0, t.Ended).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z"))
	b = f.quote(f.key(b, "client"))
	if t.Client.IsValid() {
		b = f.quote(t.Client.AppendTo(b))
	} else {
		b = f.quote(append(b, "unix"...))
	}
	b = f.text(b, "server", t.Server)
	b = f.text(b, "why", t.Why)
	b = f.text(b, "cause", t.Cause.String())
	if t.Errno != 0 {
		b = f.text(b, "error", t.Errno.Error())
	}
	b = strconv.AppendInt(f.key(b, "connection"), int64(t.Number), 10)
	b = f.seconds(b, "connected", t.Connected)
	b = f.seconds(b, "first_up", t.FirstUp)
	b = f.seconds(b, "first_down", t.FirstDown)
	b = f.seconds(b, "lasted", t.Lasted)
	b = strconv.AppendUint(f.key(b, "bytes_up"), t.Up, 10)
	b = strconv.AppendUint(f.key(b, "bytes_down"), t.Down, 10)
	if f == JSON {
		b = append(b, '}')
	}
	return b
}

func (f Format) key(b []byte, name string) []byte {
	if f == Logfmt {
		if len(b) > 0 {
			b = append(b, ' ')
		}
		return append(append(b, name...), '=')
	}
	if len(b) > 1 {
		b = append(b, ',')
	}
	return append(append(append(b, '"'), name...), '"', ':')
}

// quote stands around what needs no quotes in logfmt.
func (f Format) quote(b []byte) []byte {
	if f == JSON {
		return append(b, '"')
	}
	return b
}

// text appends a field that may hold anything; an empty one is left out.
func (f Format) text(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = f.key(b, name)
	value = value[:min(len(value), maxName)]
	plain := f == Logfmt
	for i := 0; i < len(value) && plain; i++ {
		plain = value[i] > ' ' && value[i] < 0x7f && value[i] != '"' && value[i] != '=' && value[i] != '\\'
	}
	if plain {
		return append(b, value...)
	}
	b = append(b, '"')
	for i := range len(value) {
		switch c := value[i]; {
		case c == '"', c == '\\':
			b = append(b, '\\', c)
		case c < ' ', c >= 0x7f: // a name may be cut within a letter: no byte of one is left as it is
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// seconds appends a time in seconds, to the microsecond; what never happened is left out.
func (f Format) seconds(b []byte, name string, d time.Duration) []byte {
	if d == account.Never {
		return b
	}
	return strconv.AppendFloat(f.key(b, name), d.Seconds(), 'f', 6, 64)
}
