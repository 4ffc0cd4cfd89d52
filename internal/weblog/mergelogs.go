package weblog

import (
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

const (
	// defaultJitter is Debian's, in seconds.
	defaultJitter = 600
	// maxSpan bounds -j and -t, in seconds: a thousand years, so that sums of times cannot overflow.
	maxSpan = 1000 * 366 * 24 * 3600
)

var mergelogsTool = tool{"mergelogs", `Usage: mergelogs -p FILE [flags] server:logfile...

Merges the logs of web servers behind pen into one, in the order of time, on standard output.
The client in each line, which was pen, is replaced by the one that pen's own log names.
Where pen's log does not say who it was, the client is the web server's address. Times are written in UTC.

Each argument is the address that pen knows a web server by, and that server's log.
An IPv6 address stands in brackets, as in [2001:db8::1]:access.log.
Logs may be compressed by gzip. All are expected in the order of time, more or less.
What does not look like a line of such a log is left out, and counted on stderr at the end.
`}

// mergeOptions is mergelogs' command line.
type mergeOptions struct {
	pen     string
	rescan  bool
	debug   int
	jitter  int64 // seconds
	zone    int64 // seconds that local standard time is ahead of UTC; only if hasZone
	hasZone bool
	logs    []serverLog
}

// serverLog is an argument server:logfile.
type serverLog struct{ server, file string }

func mergeFlags(o *mergeOptions) *pflag.FlagSet {
	flags := mergelogsTool.newFlags()
	flags.BoolVarP(&o.rescan, "no-cache", "c", false, "search the whole of pen's log for every line, whatever the jitter")
	flags.CountVarP(&o.debug, "debug", "d", "``say which lines are left out; twice: and which have no client in pen's log")
	flags.Int64VarP(&o.jitter, "jitter", "j", defaultJitter, "how many `SEC` the clocks of pen and of a server may differ; less takes less memory")
	flags.StringVarP(&o.pen, "penlog", "p", "", "pen's log `FILE`")
	flags.Int64VarP(&o.zone, "timezone", "t", 0, "take local standard time to be `SEC` ahead of UTC, whatever TZ says; rarely needed, as times in logs name their zone")
	return flags
}

func parseMergelogs(o *mergeOptions, flags *pflag.FlagSet, args []string) error {
	args, err := mergelogsTool.parse(flags, args)
	switch {
	case err != nil:
		return err
	case o.pen == "":
		return mergelogsTool.usagef("-p, --penlog is missing")
	case o.jitter < 0 || o.jitter > maxSpan:
		return mergelogsTool.usagef("-j, --jitter %d: must be 0..%d seconds", o.jitter, int64(maxSpan))
	case o.zone < -maxSpan || o.zone > maxSpan:
		return mergelogsTool.usagef("-t, --timezone %d: must be %d..%d seconds", o.zone, int64(-maxSpan), int64(maxSpan))
	case len(args) == 0:
		return mergelogsTool.usagef("server:logfile is missing")
	}
	o.hasZone = flags.Changed("timezone")
	for _, arg := range args {
		l, err := parseServerLog(arg)
		if err != nil {
			return err
		}
		o.logs = append(o.logs, l)
	}
	return nil
}

func parseServerLog(arg string) (l serverLog, err error) {
	ok := false
	if bracketed, isBracketed := strings.CutPrefix(arg, "["); isBracketed {
		l.server, l.file, ok = strings.Cut(bracketed, "]:")
		addr, err := netip.ParseAddr(l.server)
		ok = ok && err == nil && addr.Is6()
	} else {
		l.server, l.file, ok = strings.Cut(arg, ":")
	}
	if !ok || l.server == "" || l.file == "" || len(l.server) > nameLimit {
		return serverLog{}, mergelogsTool.usagef("%q: must be server:logfile, with an IPv6 address in brackets", arg)
	}
	return l, nil
}

// Mergelogs is mergelogs: args are the arguments behind the program's name, and the result is the exit status. Progress is shown if stderr is a terminal and stdout is none.
func Mergelogs(args []string, stdout, stderr io.Writer) int {
	o := new(mergeOptions)
	flags := mergeFlags(o)
	err := parseMergelogs(o, flags, args)
	if err == nil {
		err = mergelogs(o, stdout, stderr)
	}
	return mergelogsTool.report(err, flags, stdout, stderr)
}

// penTime is when pen would have logged what a web server logged at a time. That is the same moment, unless -t is given: Debian's mergelogs takes times to be off by local standard time, and
// adds -t, which puts that right if it is just that. So it does here, for command lines from there, whereas without -t nothing is taken to be off (PEN.md B22).
func (o *mergeOptions) penTime(web int64, local *time.Location) int64 {
	if !o.hasZone {
		return web
	}
	return web - standardOffset(time.Unix(web, 0).In(local)) + o.zone
}

// standardOffset is how many seconds standard time is ahead of UTC at a time and place, whether or not that is the time kept there.
func standardOffset(at time.Time) int64 {
	if at.IsDST() {
		if _, end := at.ZoneBounds(); !end.IsZero() {
			at = end
		}
	}
	_, offset := at.Zone()
	return int64(offset)
}
