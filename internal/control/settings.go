package control

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"pen/internal/acl"
	"pen/internal/balance"
)

// defaultKeepalive is the idle time of `keepalive` without a number, that of the --keepalive flag.
const defaultKeepalive = 60 * time.Second

// timeWord is a word that sets a time, never to less than least, and replies with it.
func timeWord(field func(*State) *time.Duration, least time.Duration, reply func(string) string) *word {
	return &word{
		set: func(e *edit, args []string) error {
			if len(args) < 2 {
				return nil
			}
			d, err := seconds(args[1])
			if d < least {
				return fmt.Errorf("%q is too short a time", args[1])
			}
			*field(&e.state), e.dirty = d, true
			return err
		},
		get: func(s *State) string { return reply(formatSeconds(*field(s))) },
	}
}

// line is a reply that is one line.
func line(text string) string { return text + "\n" }

// maybeLine is a reply that is one line, or nothing for what is not set.
func maybeLine(text string) string {
	if text == "" {
		return ""
	}
	return line(text)
}

func idleReply(seconds string) string { return line("Idle timeout: " + seconds + " seconds") }

// tableWord is a word that sets the size of something that, once it stands, only grows: a smaller number is passed over, as in Pen.
func tableWord(field func(*State) *int) *word {
	return &word{
		set: func(e *edit, args []string) error {
			if len(args) < 2 {
				return nil
			}
			n, err := atoi(args[1])
			if err == nil && n < 1 {
				err = within(n, 1, math.MaxInt32)
			}
			to := field(&e.state)
			if n < 1 || e.in.started && n <= *to {
				return err
			}
			*to, e.dirty = n, true
			return err
		},
		get: func(s *State) string { return line(strconv.Itoa(*field(s))) },
	}
}

// listWord is a word that chooses an access list. A number that no list has is list 0, as in Pen, and an error.
func listWord(field func(*State) *int) *word {
	return &word{
		set: func(e *edit, args []string) error {
			if len(args) < 2 {
				return nil
			}
			n, err := listNumber(args[1])
			*field(&e.state), e.dirty = n, true
			return err
		},
		get: func(s *State) string { return line(strconv.Itoa(*field(s))) },
	}
}

func listNumber(text string) (int, error) {
	n, err := atoi(text)
	if err == nil {
		err = within(n, 0, acl.Count-1)
	}
	return acl.Number(n), err
}

func setDebug(e *edit, args []string) (err error) {
	if len(args) > 1 {
		e.state.Debug, err = atoi(args[1])
		e.dirty = true
	}
	return err
}

func getDebug(s *State) string { return line(strconv.Itoa(s.Debug)) }

// setPendingMax replies nothing, not even to a question.
func setPendingMax(e *edit, args []string) error {
	if len(args) < 2 {
		return nil
	}
	n, err := atoi(args[1])
	e.state.PendingMax, e.dirty = max(n, 1), true
	if err == nil {
		err = within(n, 1, math.MaxInt32)
	}
	return err
}

func setIdlers(e *edit, args []string) error {
	if len(args) < 2 {
		return nil
	}
	n, err := atoi(args[1])
	e.state.Plan.Idlers, e.dirty = max(n, 0), true
	if err == nil {
		err = within(n, 0, math.MaxInt32)
	}
	return err
}

// setKeepalive is a switch in Pen. The number is ours.
func setKeepalive(e *edit, args []string) error {
	k := &e.state.Plan.Keepalive
	if len(args) < 2 {
		if *k == 0 {
			*k, e.dirty = defaultKeepalive, true
		}
		return nil
	}
	n, err := atoi(args[1])
	if err == nil {
		err = within(n, 0, math.MaxInt32)
	}
	if err == nil {
		*k, e.dirty = time.Duration(n)*time.Second, true
	}
	return err
}

func setTrackPrefix(e *edit, args []string) error {
	if len(args) < 2 {
		return nil
	}
	v4, v6, found := strings.Cut(args[1], "/")
	four, err4 := strconv.ParseUint(v4, 10, 8)
	six, err6 := strconv.ParseUint(v6, 10, 8)
	if !found || err4 != nil || err6 != nil || four < 1 || four > 32 || six < 1 || six > 128 {
		return fmt.Errorf("%q is not two prefix lengths, from 1/1 to 32/128", args[1])
	}
	e.state.Plan.Prefix.V4, e.state.Plan.Prefix.V6, e.dirty = uint8(four), uint8(six), true
	return nil
}

func getTrackPrefix(s *State) string {
	return fmt.Sprintf("%d/%d\n", s.Plan.Prefix.V4, s.Plan.Prefix.V6)
}

// maxAcceptRate bounds the numbers of accept_rate, as it does those of the --accept-rate flag.
const maxAcceptRate = 1_000_000

// setAcceptRate takes N or N:BURST; without a burst it is a tenth of N.
func setAcceptRate(e *edit, args []string) error {
	if len(args) < 2 {
		return nil
	}
	rate, burst, given := strings.Cut(args[1], ":")
	n, err := strconv.ParseUint(rate, 10, 32)
	b := max(1, n/10)
	if given && err == nil {
		b, err = strconv.ParseUint(burst, 10, 32)
	}
	if err != nil || n > maxAcceptRate || b < 1 || b > maxAcceptRate {
		return fmt.Errorf("%q is not N or N:BURST, from 0 and 1 to %d", args[1], maxAcceptRate)
	}
	if n == 0 {
		b = 0
	}
	e.state.Plan.AcceptRate, e.state.Plan.AcceptBurst, e.dirty = int(n), int(b), true
	return nil
}

func acceptRate(p *balance.Plan) string {
	if p.AcceptRate == 0 {
		return "0"
	}
	return fmt.Sprintf("%d:%d", p.AcceptRate, p.AcceptBurst)
}

func setSource(e *edit, args []string) error {
	text, err := argument(args, 1, "address") // PEN.md B10: Pen crashes
	if err != nil {
		return err
	}
	addr, err := e.address(text)
	if err != nil {
		return &refusal{"unable to set source address to '" + text + "'", err}
	}
	e.state.Plan.Source, e.dirty = addr, true
	return nil
}

func unsetSource(e *edit, _ []string) error {
	e.state.Plan.Source = netip.Addr{}
	return nil
}

// address reads an IP address, without a zone, or looks a name up.
func (e *edit) address(text string) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap(), nil
	}
	if text == "" || strings.Trim(text, hostCharacters) != "" {
		return netip.Addr{}, fmt.Errorf("%q is neither an address nor a host name", text)
	}
	if e.origin == Onlooker {
		return netip.Addr{}, fmt.Errorf("%q is not an address, and only the control port looks names up", text)
	}
	addr, err := e.in.world.Resolve(text)
	if err == nil && !addr.IsValid() {
		err = errors.New("it has no address")
	}
	if err != nil {
		return netip.Addr{}, fmt.Errorf("look up %s: %w", text, err)
	}
	return addr.Unmap(), nil
}

const hostCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

// fastCloses are the ways of tcp_fastclose; the order is that of the values.
var fastCloses = [...]string{0: "off", balance.FastUp: "up", balance.FastDown: "down", balance.FastUp | balance.FastDown: "both"}

func setFastClose(e *edit, args []string) error {
	text, err := argument(args, 1, "up, down, both or off")
	if err != nil {
		return &refusal{"do_cmd: ignoring tcp_fastclose without argument\n", err}
	}
	e.state.Plan.FastClose, e.dirty = 0, true // what any other word means to Pen
	for i, name := range fastCloses {
		if name == text {
			e.state.Plan.FastClose = balance.FastClose(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not up, down, both or off", text)
}

func setQueue(e *edit, args []string) error {
	if len(args) < 2 {
		return nil
	}
	n, err := atoi(args[1])
	if err == nil {
		err = within(n, 0, math.MaxInt32)
	}
	if err == nil {
		e.state.Plan.Queue, e.dirty = n, true
	}
	return err
}

func setOnNoServer(e *edit, args []string) error {
	if len(args) < 2 {
		return nil
	}
	how, err := balance.ParseOnNoServer(args[1])
	if err == nil {
		e.state.Plan.OnNoServer, e.dirty = how, true
	}
	return err
}

func setListen(e *edit, args []string) error {
	if len(args) < 2 {
		return nil
	}
	text := args[1]
	if strings.Contains(text, "/") {
		if err := e.mayUse(text); err != nil {
			return err
		}
	} else if _, port, err := splitListen(text); err != nil || port == "" {
		return fmt.Errorf("%q is not [host:]port or a path", text)
	}
	e.state.Listen, e.dirty = text, true
	return nil
}

func setLog(e *edit, args []string) error {
	if len(args) < 2 {
		return nil
	}
	if !isCollector(args[1]) && !slices.Contains(logWords, args[1]) {
		if err := e.mayUse(args[1]); err != nil {
			return err
		}
	}
	e.state.Log, e.dirty = args[1], true
	return nil
}

// logWords are the destinations of a log that are no file: standard error and the services of this machine.
var logWords = []string{"stderr", "-", "syslog", "journald"}

// isCollector says that a log goes to penlogd at host:port and not to a file.
func isCollector(log string) bool { return !strings.HasPrefix(log, "/") && strings.Contains(log, ":") }

// getLog replies with the host alone for host:port, as Pen does, which cuts the text there for good.
func getLog(s *State) string {
	if isCollector(s.Log) {
		return line(s.Log[:strings.LastIndexByte(s.Log, ':')])
	}
	return maybeLine(s.Log)
}

func setWebStats(e *edit, args []string) error {
	if len(args) < 2 {
		return nil
	}
	if err := e.mayUse(args[1]); err != nil {
		return err
	}
	e.state.WebStats, e.dirty = args[1], true
	return nil
}
