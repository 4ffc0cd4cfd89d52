package config

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/pflag"
)

// usageWidth is the width of the usage text in columns.
const usageWidth = 100

// Usage writes the usage text for a program called by name.
func Usage(w io.Writer, name string) {
	fmt.Fprintf(w, usageHead, name, strings.Repeat(" ", len(name)))
	for _, s := range define(new(Options), new(bool)) {
		fmt.Fprintf(w, "\n%s\n%s", s.title, s.usages())
	}
	fmt.Fprint(w, usageTail)
}

// usages is a line or more for each flag. Pflag writes none for letters: those of a section of them are written here, and any other is for a named flag's own text to mention.
func (s section) usages() string {
	if text := s.flags.FlagUsagesWrapped(usageWidth); text != "" {
		return text
	}
	var text strings.Builder
	s.flags.VisitAll(func(f *pflag.Flag) {
		arg, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(&text, "  -%s %-3s%s\n", f.Shorthand, arg, usage)
	})
	return text.String()
}

const usageHead = `Usage: %[1]s [flags] [host:]port|/path server...
       %[1]s check [FILE] [flags] ...   what a start would do, without starting
       %[1]s demo [--tour-only] [flags]
       %[1]s --help | --version

Balances TCP connections over servers, and remembers which server each client had.

The first argument says where to listen:
  8080  *:8080     every address, IPv4 and IPv6
  0.0.0.0:8080     every IPv4 address        [::]:8080   every IPv6 address
  host:8080        one address               /path       a Unix socket

Each further argument is a server: host[:port[:soft[:hard[:weight[:prio]]]]] or the path of a Unix socket.
An IPv6 address stands in brackets, as in [::1]:8080. A missing port is the one listened on, a missing number is 0.
From soft connections on a server gets only the clients that had it before, from hard on nobody; soft 0 is no limit.

Control commands (-F, -O) may add servers; a listen among them makes the first argument unnecessary as well.

Flags come before the addresses. Short ones may be joined: -fdr. SEC is in seconds, and may be 0.5 where that is of use.
`

const usageTail = `
Signals
  TERM, INT   stop accepting, let connections finish (--drain), leave; a second one closes them at once
  HUP         open the access log anew and run the commands of -F again
  USR1        write statistics to the log, and the status page (-w)

Exit status: 0 after a clean stop, 1 if the start failed, 64 if the command line is wrong.
`

// release is the version that scripts/deb builds; "" of any other build.
var release string

// Version is the release, or what the build knows of itself: the module's version, "(devel)" where that is none of a tag, then the commit if it was built from one, and the Go release.
func Version() string {
	info, _ := debug.ReadBuildInfo() // nil: a build without modules, which ours is not
	return version(release, info) + " " + runtime.Version()
}

// noTag begins the version that Go makes up for a commit that has no tag behind it.
const noTag = "v0.0.0-"

func version(release string, info *debug.BuildInfo) string {
	words := []string{release}
	if info == nil {
		return cmp.Or(release, "unknown")
	}
	if release == "" {
		words[0] = info.Main.Version
		if strings.HasPrefix(words[0], noTag) {
			words[0] = "(devel)"
		}
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			words = append(words, s.Value)
		case s.Key == "vcs.modified" && s.Value == "true":
			words = append(words, "modified")
		}
	}
	return strings.Join(words, " ")
}
