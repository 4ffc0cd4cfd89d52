package control

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// word is one word of the language. args[0] is the word itself; what stands behind the words that it takes is ignored, as in Pen.
type word struct {
	set func(e *edit, args []string) error                                  // changes the state. With an error it may still have done what Pen would have
	get func(s *State) string                                               // the reply, from the state in force after that
	ask func(in *Interpreter, origin Origin, args []string) (string, error) // looks at the world or acts on it, not on the state
}

// words is the language but for comments, and for `session` and `quit`, which are the port's.
var words map[string]*word

func init() { // not an initialiser: `include` leads back to the table
	words = map[string]*word{
		"no": {set: setNo},

		// numbers
		"blacklist":           {set: setBlacklist, get: blacklistTime.get},
		"timeout":             timeWord(func(s *State) *time.Duration { return &s.Plan.ConnectTimeout }, time.Millisecond, line),
		"tracking":            timeWord(func(s *State) *time.Duration { return &s.Tracking }, 0, line),
		"idle_timeout":        timeWord(func(s *State) *time.Duration { return &s.Plan.IdleTimeout }, 0, idleReply),
		"first_byte_timeout":  timeWord(func(s *State) *time.Duration { return &s.Plan.FirstByteTimeout }, 0, line),
		"half_closed_timeout": timeWord(func(s *State) *time.Duration { return &s.Plan.HalfClosedTimeout }, 0, line),
		"stall_timeout":       timeWord(func(s *State) *time.Duration { return &s.Plan.StallTimeout }, 0, line),
		"lifetime":            timeWord(func(s *State) *time.Duration { return &s.Plan.Lifetime }, 0, line),
		"accept_rate":         {set: setAcceptRate, get: func(s *State) string { return line(acceptRate(&s.Plan)) }},
		"user_timeout":        timeWord(func(s *State) *time.Duration { return &s.Plan.UserTimeout }, 0, line),
		"client_acl":          listWord(func(s *State) *int { return &s.Plan.ClientACL }),
		"client_conns":        {set: setClientConns, get: func(s *State) string { return line(strconv.Itoa(s.Plan.Limits.Conns)) }},
		"client_rate":         {set: setClientRate, get: func(s *State) string { return line(s.Plan.Limits.Rate.String()) }},
		"client_limit":        {set: setClientLimit, get: func(s *State) string { return line(s.Plan.OverLimit.String()) }},
		"client_exempt":       {set: setClientExempt, get: func(s *State) string { return maybeLine(exempt(s)) }},
		"control_acl":         listWord(func(s *State) *int { return &s.ControlACL }),
		"clients_max":         tableWord(func(s *State) *int { return &s.ClientsMax }),
		"conn_max":            tableWord(func(s *State) *int { return &s.Plan.MaxConns }),
		"debug":               {set: setDebug, get: getDebug},
		"idlers":              {set: setIdlers, ask: askIdlers},
		"keepalive":           {set: setKeepalive},
		"pending_max":         {set: setPendingMax},
		"track_prefix":        {set: setTrackPrefix, get: getTrackPrefix},
		"queue_timeout":       timeWord(func(s *State) *time.Duration { return &s.Plan.QueueTimeout }, time.Millisecond, line),
		"queue":               {set: setQueue, get: func(s *State) string { return line(strconv.Itoa(s.Plan.Queue)) }},

		// places
		"listen":        {set: setListen, get: func(s *State) string { return maybeLine(s.Listen) }},
		"log":           {set: setLog, get: getLog},
		"web_stats":     {set: setWebStats, get: func(s *State) string { return maybeLine(s.WebStats) }},
		"source":        {set: setSource},
		"on_no_server":  {set: setOnNoServer, get: func(s *State) string { return line(s.Plan.OnNoServer.String()) }},
		"tcp_fastclose": {set: setFastClose},

		// servers and clients
		"server":    {set: setServer},
		"emergency": {set: setEmergency, get: func(s *State) string { return maybeLine(spec(s.Plan.Emergency)) }},
		"abuse":     {set: setAbuse, get: func(s *State) string { return maybeLine(spec(s.Plan.Abuse)) }},
		"acl":       {set: setACL},

		// files
		"include": {set: setInclude},
		"write":   {ask: askWrite},

		// questions
		"mode":          {get: func(s *State) string { return line(mode(&s.Plan)) }},
		"close":         {ask: askClose},
		"connection":    {ask: askConnection},
		"control":       {ask: askControl},
		"exit":          {ask: askExit},
		"explain":       {ask: askExplain},
		"pid":           {ask: askPid},
		"recent":        {ask: askRecent},
		"recent-closes": {ask: askRecentCloses},
		"servers":       {ask: askServers},
		"simulate":      {ask: askSimulate},
		"socket":        {ask: askSocket},
		"status":        {ask: askStatus},

		// how Pen waited: accepted, and there is nothing to change
		"epoll": {}, "poll": {}, "select": {}, "kqueue": {},

		// of a later issue
		"dsr_if": {set: setUnsupported}, "dsr_ip": {set: setUnsupported},
		"ssl_ciphers": {set: setUnsupported}, "ssl_client_renegotiation_interval": {set: setUnsupported},
		"ssl_ocsp_response": {set: setUnsupported}, "ssl_option": {set: setUnsupported}, "ssl_sni_path": {set: setUnsupported},
		"tarpit_acl": {ask: askTarpitACL},
	}
	for name := range switches {
		words[name] = &word{set: setSwitch}
	}
}

// switches are the words that `no` in front turns off.
var switches = map[string]func(*State) *bool{
	"abort_on_error": func(s *State) *bool { return &s.AbortOnError },
	"ascii":          func(s *State) *bool { return &s.Ascii },
	"dummy":          func(s *State) *bool { return &s.Plan.Dummy },
	"hash":           func(s *State) *bool { return &s.Plan.Hash },
	"http":           func(s *State) *bool { return &s.Plan.Forwarded },
	"least_conn":     func(s *State) *bool { return &s.Plan.LeastConn },
	"peek":           func(s *State) *bool { return &s.Peek },
	"pen_hash":       func(s *State) *bool { return &s.Plan.PenHash },
	"prio":           func(s *State) *bool { return &s.Plan.Prio },
	"roundrobin":     func(s *State) *bool { return &s.Plan.RoundRobin },
	"stubborn":       func(s *State) *bool { return &s.Plan.Stubborn },
	"tcp_nodelay":    func(s *State) *bool { return &s.Plan.NoDelay },
	"transparent":    func(s *State) *bool { return &s.Plan.Transparent },
	"weight":         func(s *State) *bool { return &s.Plan.Weight },
}

// isNothing says that a line is empty or a comment.
func isNothing(args []string) bool { return len(args) == 0 || strings.HasPrefix(args[0], "#") }

// lookUp finds the word that a command begins with: nil for an empty line and a comment, and, with an error, for a word that there is none of.
func lookUp(args []string) (*word, error) {
	if isNothing(args) {
		return nil, nil
	}
	if w, ok := words[args[0]]; ok {
		return w, nil
	}
	return nil, fmt.Errorf("unknown word %q", args[0])
}

// ignoring is the reply to a command that lookUp found no word for.
func ignoring(args []string) string {
	if isNothing(args) {
		return ""
	}
	return "do_cmd: ignoring command starting with '" + args[0] + "'\n"
}

// argument returns the word at i, or an error that calls it what.
func argument(args []string, i int, what string) (string, error) {
	if i >= len(args) {
		return "", errors.New(what + " is missing")
	}
	return args[i], nil
}

func setSwitch(e *edit, args []string) error { e.turn(args[0], true); return nil }

// turn sets a switch. Pen's old hash is a way of hashing: it is never on when hash is off.
func (e *edit) turn(name string, on bool) {
	*switches[name](&e.state) = on
	switch {
	case name == "pen_hash" && on:
		e.state.Plan.Hash = true
	case name == "hash" && !on:
		e.state.Plan.PenHash = false
	}
	e.dirty = true
}

// setNo is `no` with another word behind it.
func setNo(e *edit, args []string) error {
	name, err := argument(args, 1, "word to negate")
	if err != nil {
		return err
	}
	if _, ok := switches[name]; ok {
		e.turn(name, false)
		return nil
	}
	unset, ok := unsets[name]
	if !ok {
		return fmt.Errorf("%q cannot be negated", name)
	}
	if err := unset(e, args[1:]); err != nil {
		return err
	}
	e.dirty = true
	return nil
}

// unsets are the words besides the switches that `no` may stand in front of.
var unsets = map[string]func(e *edit, args []string) error{
	"abuse":         func(e *edit, _ []string) error { e.state.Plan.Abuse = nil; return nil },
	"client_exempt": func(e *edit, _ []string) error { e.state.Plan.Exempting, e.state.Plan.ExemptACL = false, 0; return nil },
	"acl":           unsetACL,
	"emergency":     func(e *edit, _ []string) error { e.state.Plan.Emergency = nil; return nil },
	"keepalive":     func(e *edit, _ []string) error { e.state.Plan.Keepalive = 0; return nil },
	"log":           func(e *edit, _ []string) error { e.state.Log = ""; return nil },
	"server":        unsetServer,
	"source":        unsetSource,
	"web_stats":     func(e *edit, _ []string) error { e.state.WebStats = ""; return nil },
}

func setUnsupported(_ *edit, args []string) error {
	return fmt.Errorf("%w: %s", ErrNotSupported, args[0])
}
