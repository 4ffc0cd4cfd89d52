package config

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestUsage(t *testing.T) {
	var text strings.Builder
	Usage(&text, "pen")
	if !strings.HasPrefix(text.String(), "Usage: pen [flags] [host:]port|/path server...\n") {
		t.Errorf("begins with %.60q", text.String())
	}
	for i, line := range strings.Split(text.String(), "\n") {
		if len(line) > 120 || strings.HasSuffix(line, " ") || strings.ContainsAny(line, "`%\t") {
			t.Errorf("line %d is no line for a terminal: %q", i+1, line)
		}
	}
	for _, s := range define(new(Options), new(bool)) {
		if !strings.Contains(text.String(), "\n\n"+s.title+"\n") {
			t.Errorf("heading %q is missing", s.title)
		}
		s.flags.VisitAll(func(f *pflag.Flag) {
			spelled := "      --" + f.Name
			if f.Hidden {
				spelled = "  -" + f.Shorthand
			} else if f.Shorthand != "" {
				spelled = "  -" + f.Shorthand + ", --" + f.Name
			}
			if n := strings.Count(text.String(), "\n"+spelled+" "); n != 1 && f.Shorthand != "o" { // -O tells of -o
				t.Errorf("--%s has %d lines", f.Name, n)
			}
		})
	}
	// A few lines in full: a default, a default of 0 that is in the words, a flag that counts.
	for _, want := range []string{
		`  -t, --timeout SEC +how long a server has to accept a connection \(default 5\)`,
		`      --idle-timeout SEC +close a connection so long after its last byte; 0 never`,
		`  -d, --debug +log more; may be repeated`,
		`  -C, --control ADDR +take control commands at .*`,
		`  -O, --command CMD +run a control command; .*`,
		`  -D    there is no delayed forward`,
		`  -S N  the table of servers grows by itself`,
		`      --pipe-size BYTES +what a splice pipe can hold: a power of two, 4k to 1m \(default 512k\)`,
	} {
		if !regexp.MustCompile("(?m)^" + want + "$").MatchString(text.String()) {
			t.Errorf("no line like %s", want)
		}
	}
}

// TestSections holds what a man page is checked against up to what pflag knows.
func TestSections(t *testing.T) {
	var text strings.Builder
	Usage(&text, "pen")
	seen := map[string]Flag{}
	for _, s := range Sections() {
		if len(s.Flags) == 0 || !strings.Contains(text.String(), "\n\n"+s.Title+"\n") {
			t.Errorf("section %q: %d flags, or not in the usage text", s.Title, len(s.Flags))
		}
		for _, f := range s.Flags {
			if f.Text == "" || f.Short+f.Long == "" || strings.ContainsAny(f.Arg+f.Text, "`\n") {
				t.Errorf("flag %+v", f)
			}
			for _, name := range []string{f.Short, f.Long} {
				if _, twice := seen[name]; twice && name != "" {
					t.Errorf("%q is described twice", name)
				}
				seen[name] = f
			}
		}
	}
	for _, want := range []Flag{
		{"x", "max-conns", "N", "500", "connections at once; if not given, lowered to what the descriptors allow"},
		{"r", "roundrobin", "", "", "take the servers in turn, do not use the memory of clients"},
		{"d", "debug", "", "", "log more; may be repeated"},
		{"", "pipe-size", "BYTES", "512k", "what a splice pipe can hold: a power of two, 4k to 1m"},
		{"", "idle-timeout", "SEC", "0", "close a connection so long after its last byte; 0 never"},
		{"o", "", "CMD", "", "the same as -O"},
		{"S", "", "N", "", "the table of servers grows by itself"},
		{"D", "", "", "", "there is no delayed forward"},
	} {
		if got := seen[want.Short+want.Long]; want.Short == "" || want.Long == "" {
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		} else if seen[want.Short] != want || seen[want.Long] != want {
			t.Errorf("got %+v and %+v, want %+v", seen[want.Short], seen[want.Long], want)
		}
	}
	// PEN.md 1.1: every letter of Pen's is described or refused.
	for letter := range strings.SplitSeq("B C D n Q S F H N O o P T U W X a d b c e f h i j l m p q r s t u x w E K G A Z R L", " ") {
		_, described := seen[letter]
		if _, no := refused[letter]; described == no && letter != "N" { // -N is in Pen's usage text alone
			t.Errorf("-%s: described %v, refused %v", letter, described, no)
		}
	}
}

func TestReport(t *testing.T) {
	tests := []struct {
		err            error
		code           int
		stdout, stderr string // beginnings; "" = nothing at all
	}{
		{nil, 0, "", ""},
		{ErrHelp, 0, "Usage: pen ", ""},
		{ErrVersion, 0, "pen ", ""},
		{usagef("no servers"), 64, "", "pen: no servers\n"},
		{fmt.Errorf("start: %w", usagef("bad")), 64, "", "pen: start: bad\n"},
		{errors.New("listen *:80: address in use"), 1, "", "pen: listen *:80: address in use\n"},
	}
	_, none := Parse("pen", nil)
	tests = append(tests, struct {
		err            error
		code           int
		stdout, stderr string
	}{none, 64, "", "Usage: pen "})
	for _, test := range tests {
		var stdout, stderr strings.Builder
		code := Report("pen", test.err, &stdout, &stderr)
		if code != test.code || code != ExitCode(test.err) {
			t.Errorf("%v: status %d, want %d", test.err, code, test.code)
		}
		for _, stream := range []struct{ name, got, want string }{{"stdout", stdout.String(), test.stdout}, {"stderr", stderr.String(), test.stderr}} {
			if !strings.HasPrefix(stream.got, stream.want) || stream.want == "" && stream.got != "" {
				t.Errorf("%v: %s is %.60q, want %q", test.err, stream.name, stream.got, stream.want)
			}
		}
	}
}

// A package says its version; a checkout with a tag that; one without that it is none.
func TestVersionOfABuild(t *testing.T) {
	commit := []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}}
	modified := []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}
	for _, c := range []struct {
		release, main string
		settings      []debug.BuildSetting
		want          string
	}{
		{"1.2", "v0.0.0-20260101000000-abc", commit, "1.2 abc"},
		{"1.2", "(devel)", nil, "1.2"},
		{"", "v0.0.0-20260101000000-abc", commit, "(devel) abc"},
		{"", "v0.0.0-20260101000000-abc+dirty", modified, "(devel) abc modified"},
		{"", "(devel)", nil, "(devel)"},
		{"", "v1.2.3", commit, "v1.2.3 abc"},
	} {
		info := &debug.BuildInfo{Main: debug.Module{Version: c.main}, Settings: c.settings}
		if got := version(c.release, info); got != c.want {
			t.Errorf("release %q, module %s: %q, want %q", c.release, c.main, got, c.want)
		}
	}
	if got := version("1.2", nil); got != "1.2" {
		t.Errorf("a build that knows nothing: %q", got)
	}
}

func TestVersionNamesTheRelease(t *testing.T) {
	if v := Version(); !strings.HasSuffix(v, runtime.Version()) || strings.Contains(v, "\n") {
		t.Errorf("version is %q", v)
	}
}
