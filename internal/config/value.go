package config

import (
	"errors"
	"fmt"
	"math/bits"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value is a flag's value: text on the command line, a T in Options. It implements pflag.Value. The parse function's error says what was expected and leaves the rest to flagError.
type value[T any] struct {
	to          *T
	text        string
	placeholder string
	parse       func(string) (T, error)
}

// Set implements pflag.Value.
func (v *value[T]) Set(text string) error {
	parsed, err := v.parse(text)
	if err != nil {
		return err
	}
	*v.to, v.text = parsed, text
	return nil
}

// String implements pflag.Value: the value as it was written.
func (v *value[T]) String() string { return v.text }

// Type implements pflag.Value, which puts it behind the flag in the usage text.
func (v *value[T]) Type() string { return v.placeholder }

// digits reads a whole decimal number. Nothing else is accepted: no sign, no other base, no spaces; strconv's leniency would take 010 for eight.
func digits(text string) (int, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// whole accepts a whole number in least..most.
func whole(least, most int) func(string) (int, error) {
	return func(text string) (int, error) {
		n, ok := digits(text)
		if !ok || n < least || n > most {
			return 0, fmt.Errorf("must be a whole number in %d..%d", least, most)
		}
		return n, nil
	}
}

// listOrNone accepts the number of an access list, or none.
func listOrNone(text string) (int, error) {
	n, ok := digits(text)
	switch {
	case text == "none":
		return noList, nil
	case !ok || n > maxList:
		return 0, fmt.Errorf("must be the number of an access list in 0..%d, or none", maxList)
	}
	return n, nil
}

// wholeOrAsIs accepts a whole number up to most, of which 0 leaves things as they are: it does so in Pen.
func wholeOrAsIs(to *int, most int) func(string) (int, error) {
	number := whole(0, most)
	return func(text string) (int, error) {
		n, err := number(text)
		if n == 0 {
			n = *to
		}
		return n, err
	}
}

// atMost accepts a whole number up to most, however far below zero: for the two flags whose small values Pen raises instead of refusing.
func atMost(most int) func(string) (int, error) {
	return func(text string) (int, error) {
		positive, negative := strings.CutPrefix(text, "-")
		n, ok := digits(positive)
		if !ok || n > most {
			return 0, fmt.Errorf("must be a whole number, at most %d", most)
		}
		if negative {
			n = -n
		}
		return n, nil
	}
}

// counter accepts the "+1" of a flag given without a value, which counts, and a number, which replaces the count.
func counter(to *int, most int) func(string) (int, error) {
	number := whole(0, most)
	return func(text string) (int, error) {
		if text == "+1" {
			return min(*to+1, most), nil
		}
		return number(text)
	}
}

// seconds accepts a time in seconds with up to three decimals, or none if the unit, the smallest step that means anything where the time is used, is a whole second.
func seconds(least, most, unit time.Duration) func(string) (time.Duration, error) {
	step := "whole seconds"
	if unit < time.Second {
		step = "seconds, to the millisecond,"
	}
	expected := fmt.Errorf("must be %s in %s..%s", step, secondsText(least), secondsText(most))
	return func(text string) (time.Duration, error) {
		if strings.Trim(text, "0123456789.") != "" {
			return 0, expected
		}
		d, err := time.ParseDuration(text + "s")
		if err != nil || d < least || d > most || d%unit != 0 {
			return 0, expected
		}
		return d, nil
	}
}

func secondsText(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

// The sizes a pipe can have. The lower bound is a page, the upper one what fs.pipe-max-size lets everyone ask for unless it was changed.
const (
	minPipeSize = 4 << 10
	maxPipeSize = 1 << 20
)

// pipeSize accepts a power of two, with k or m behind it for KiB and MiB.
func pipeSize(text string) (int, error) {
	number, shift := text, 0
	switch last := strings.ToLower(text[max(0, len(text)-1):]); last {
	case "k", "m":
		number = text[:len(text)-1]
		shift = map[string]int{"k": 10, "m": 20}[last]
	}
	n, ok := digits(number)
	if !ok || n > maxPipeSize || n<<shift < minPipeSize || n<<shift > maxPipeSize || bits.OnesCount(uint(n)) != 1 {
		return 0, errors.New("must be a power of two in 4k..1m")
	}
	return n << shift, nil
}

// oneOf accepts one of the words.
func oneOf(words ...string) func(string) (string, error) {
	return func(text string) (string, error) {
		if !slices.Contains(words, text) {
			last := len(words) - 1
			return "", fmt.Errorf("must be %s or %s", strings.Join(words[:last], ", "), words[last])
		}
		return text, nil
	}
}

// nonEmpty accepts any text but the empty one and one that no system call could take; what names the thing expected.
func nonEmpty(what string) func(string) (string, error) {
	return func(text string) (string, error) {
		if text == "" || strings.ContainsRune(text, 0) {
			return "", fmt.Errorf("must be %s", what)
		}
		return text, nil
	}
}

// repeated adds each value to those given before.
func repeated(to *[]string, parse func(string) (string, error)) func(string) ([]string, error) {
	return func(text string) ([]string, error) {
		text, err := parse(text)
		return append(*to, text), err
	}
}

// command accepts one control command. What it says is for its interpreter to judge.
func command(text string) (string, error) {
	if strings.ContainsAny(text, "\r\n\x00") {
		return "", errors.New("must be one control command, on one line")
	}
	return text, nil
}

// directory accepts an absolute path, since commands from the network have to name one.
func directory(text string) (string, error) {
	if !strings.HasPrefix(text, "/") || strings.ContainsRune(text, 0) {
		return "", errors.New("must be the name of a directory, from / on")
	}
	return text, nil
}

// logDest accepts where the access log goes. A ':' makes it the host and port of a penlogd unless there is a '/' in front.
func logDest(text string) (string, error) {
	if !strings.Contains(text, ":") || strings.HasPrefix(text, "/") {
		return nonEmpty("the name of a file, stderr, syslog, journald, or host:port of a penlogd")(text)
	}
	host, port, _, err := cutHost(text)
	if err == nil {
		_, err = checkHost(host)
	}
	if err == nil {
		_, err = parsePort("udp", port)
	}
	if err != nil {
		return "", fmt.Errorf("must be host:port of a penlogd, or a file (from / on, for the sake of its ':'): %w", err)
	}
	return text, nil
}

// controlPort accepts where to listen for control commands.
func controlPort(text string) (string, error) {
	_, err := parseListen(text)
	return text, err
}

// webAddress accepts where to serve the page: a port alone is one of loopback, and "*" is every address.
func webAddress(text string) (string, error) {
	if strings.Contains(text, "/") {
		return "", errors.New("must be [host:]port")
	}
	l, err := parseListen(text)
	if err != nil {
		return "", err
	}
	if l.DualStack && !strings.HasPrefix(text, "*") {
		l.Host = "127.0.0.1"
	}
	return net.JoinHostPort(l.Host, strconv.Itoa(l.Port)), nil
}

// check accepts what to ask of a server to see whether it is alive.
func check(text string) (string, error) {
	path, isHTTP := strings.CutPrefix(text, "http:")
	switch {
	case text == "tcp", text == "off":
		return text, nil
	case isHTTP && strings.HasPrefix(path, "//"):
		return "", errors.New("must not name a host, only a path, as in http:/health")
	case isHTTP && strings.HasPrefix(path, "/") && !strings.ContainsFunc(path, notInTarget):
		return text, nil
	}
	return "", errors.New("must be tcp, http:/path or off")
}

// notInTarget says whether r may not stand in the target of an HTTP request: a space or a line's end would make it a different request, and a fragment is never sent.
func notInTarget(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }

// acceptRate accepts N or N:BURST. Without a burst it is a tenth of a second's worth, which is how long a listener rests.
func acceptRate(text string) (AcceptRate, error) {
	rate, burst, given := strings.Cut(text, ":")
	n, ok := digits(rate)
	b, okBurst := max(1, n/10), true
	if given {
		b, okBurst = digits(burst)
	}
	if !ok || !okBurst || n > maxRate || b < 1 || b > maxRate {
		return AcceptRate{}, fmt.Errorf("must be connections a second, N or N:BURST with N in 0..%d and BURST in 1..%d", maxRate, maxRate)
	}
	if n == 0 {
		b = 0
	}
	return AcceptRate{n, b}, nil
}

// prefix accepts V4/V6, the bits of an address that make one client.
func prefix(text string) (TrackPrefix, error) {
	v4, v6, _ := strings.Cut(text, "/")
	bits4, ok4 := digits(v4)
	bits6, ok6 := digits(v6)
	if !ok4 || !ok6 || bits4 < 1 || bits4 > 32 || bits6 < 1 || bits6 > 128 {
		return TrackPrefix{}, errors.New("must be V4/V6 with V4 in 1..32 and V6 in 1..128, as in 32/64")
	}
	return TrackPrefix{V4: uint8(bits4), V6: uint8(bits6)}, nil
}
