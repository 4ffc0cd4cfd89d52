package config

import (
	"strconv"
	"strings"
	"time"
)

// order follows the flags as they come, and puts those behind the first -O among the commands.
type order struct {
	o     *Options
	debug int // the level at this point, commands included
}

// spoken says, for each flag with a control command of the same meaning, what that is for a text which the flag has accepted. "" leaves it to the flag.
// -d is missing: see order.level.
var spoken = map[string]func(text string) string{
	"roundrobin": toggle("", "no ", "roundrobin"),
	"weight":     toggle("", "no ", "weight"),
	"prio":       toggle("", "no ", "prio"),
	"least-conn": toggle("", "no ", "least_conn"),
	"hash":       toggle("", "no ", "hash"),
	"pen-hash":   toggle("", "no ", "pen_hash"),
	"stubborn":   toggle("", "no ", "stubborn"),
	"forwarded":  toggle("", "no ", "http"),
	"ascii":      toggle("", "no ", "ascii"),
	"nagle":      toggle("no ", "", "tcp_nodelay"),

	"blacklist":           timed("blacklist"),
	"tracking":            timed("tracking"),
	"timeout":             wholeTimed("timeout"),
	"idle-timeout":        timed("idle_timeout"),
	"first-byte-timeout":  timed("first_byte_timeout"),
	"half-closed-timeout": timed("half_closed_timeout"),
	"stall-timeout":       timed("stall_timeout"),
	"lifetime":            timed("lifetime"),
	"accept-rate":         named("accept_rate"),
	"keepalive":           timed("keepalive"),
	"user-timeout":        timed("user_timeout"),

	"queue":         named("queue"),
	"queue-timeout": timed("queue_timeout"),
	"on-no-server":  named("on_no_server"),

	"clients":      table("clients_max"),
	"max-conns":    table("conn_max"),
	"track-prefix": named("track_prefix"),
	"client-conns": named("client_conns"),
	"client-rate":  named("client_rate"),
	"client-limit": named("client_limit"),
	"client-exempt": func(text string) string {
		if text == "none" {
			return "no client_exempt"
		}
		return named("client_exempt")(text)
	},
	"log":       named("log"),
	"web-stats": named("web_stats"),
}

// after is told of each flag once it has its value.
func (r *order) after(flag, text string) {
	if flag == "command" || flag == "-o" {
		r.heard(text)
		return
	}
	if flag == "debug" {
		r.level(text)
	}
	if len(r.o.Commands) == 0 {
		return
	}
	command := ""
	if say, ok := spoken[flag]; ok {
		command = say(text)
	} else if flag == "debug" {
		command = "debug " + strconv.Itoa(r.debug)
	}
	if command != "" {
		r.o.Commands = append(r.o.Commands, command)
	}
}

// heard notes what a command does to the debug level, which -d adds to.
func (r *order) heard(command string) {
	words := tokens(command)
	if len(words) < 2 || words[0] != "debug" {
		return
	}
	if n, err := strconv.Atoi(words[1]); err == nil {
		r.debug = n
	}
}

// level does what -d does: one more, or the number that --debug gives.
func (r *order) level(text string) {
	if n, ok := digits(text); ok {
		r.debug = n
		return
	}
	r.debug++
}

// tokens splits a command as its interpreter does: at spaces alone.
func tokens(command string) []string {
	return strings.FieldsFunc(command, func(r rune) bool { return r == ' ' })
}

// toggle is a word that has "no" in front in one of the two states of its flag.
func toggle(on, off, word string) func(string) string {
	return func(text string) string {
		if set, _ := strconv.ParseBool(text); set {
			return on + word
		}
		return off + word
	}
}

// timed is a word with a time.
func timed(word string) func(string) string {
	return func(text string) string {
		d, _ := time.ParseDuration(text + "s")
		return word + " " + secondsText(d)
	}
}

// wholeTimed is a word with a time, of which fractions are left to the flag: Pen's word counts whole seconds.
func wholeTimed(word string) func(string) string {
	return func(text string) string {
		if d, _ := time.ParseDuration(text + "s"); d%time.Second != 0 {
			return ""
		}
		return timed(word)(text)
	}
}

// table is a word with a size, of which 0 changes nothing.
func table(word string) func(string) string {
	return func(text string) string {
		if n, _ := digits(text); n == 0 {
			return ""
		}
		return word + " " + text
	}
}

// named is a word with a name. One with a space in it cannot be said in a command.
func named(word string) func(string) string {
	return func(text string) string {
		if strings.ContainsAny(text, " \r\n") {
			return ""
		}
		return word + " " + text
	}
}
