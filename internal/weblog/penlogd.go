package weblog

import (
	"io"
	"net"
	"path/filepath"

	"github.com/spf13/pflag"
)

// maxRecords bounds -n. A record takes up to about a kilobyte.
const maxRecords = 10_000_000

var penlogdTool = tool{"penlogd", `Usage: penlogd [flags] port

Receives pen's records and the lines of the web servers behind it, on this UDP port, IPv4 and IPv6.
It writes the web servers' lines, with the client that pen saw in place of the one that the web server saw, which was pen.
A line for which there is no record is written as it came. Lines are written at once.

Signals: HUP closes and reopens the log file, TERM and INT end penlogd.
`}

// PenlogdOptions is penlogd's command line.
type PenlogdOptions struct {
	Port    int
	LogFile string // "": standard output
	Records int    // of pen's that are kept, at least 1

	// What follows is for the caller to see to.
	Foreground bool
	Debug      int // how many times -d was given
	Chroot     string
	User       string
	PidFile    string
	Confine    string // "on" or "off"
}

// Directories are those in which it makes and removes files, as they are called inside its root directory.
func (o *PenlogdOptions) Directories() (dirs []string) {
	for _, file := range []string{o.LogFile, o.PidFile} {
		if file != "" {
			dirs = append(dirs, filepath.Dir(file))
		}
	}
	return dirs
}

func penlogdFlags(o *PenlogdOptions) *pflag.FlagSet {
	flags := penlogdTool.newFlags()
	flags.BoolP("unbuffered", "b", false, "write lines at once, as is done anyway")
	flags.CountVarP(&o.Debug, "debug", "d", "``log more; may be repeated")
	flags.BoolVarP(&o.Foreground, "foreground", "f", false, "stay in the foreground, log to stderr instead of syslog")
	flags.StringVarP(&o.Chroot, "chroot", "j", "", "make `DIR` the root directory once the port is open")
	flags.StringVarP(&o.LogFile, "log", "l", "", "append the lines to `FILE` instead of standard output")
	flags.IntVarP(&o.Records, "records", "n", 1000, "keep the newest `N` of pen's records")
	flags.StringVarP(&o.PidFile, "pidfile", "p", "", "write the process id to `FILE`")
	flags.StringVarP(&o.User, "user", "u", "", "become user `NAME` once the port is open")
	flags.StringVar(&o.Confine, "confine", "on", "on|off: give up for good the capabilities, files and system calls that collecting takes none of")
	return flags
}

// ParsePenlogd reads the arguments behind the program's name. ReportPenlogd knows what to do with an error.
func ParsePenlogd(args []string) (*PenlogdOptions, error) {
	o := new(PenlogdOptions)
	args, err := penlogdTool.parse(penlogdFlags(o), args)
	switch {
	case err != nil:
		return nil, err
	case len(args) == 0:
		return nil, penlogdTool.usagef("port is missing")
	case len(args) > 1:
		return nil, penlogdTool.usagef("too many arguments, from %q on", args[1])
	case o.Records < 1 || o.Records > maxRecords:
		return nil, penlogdTool.usagef("-n, --records %d: must be 1..%d", o.Records, maxRecords)
	case o.Confine != "on" && o.Confine != "off":
		return nil, penlogdTool.usagef("--confine %q: must be on or off", o.Confine)
	}
	if o.Port, err = net.LookupPort("udp", args[0]); err != nil || o.Port == 0 {
		return nil, penlogdTool.usagef("port %q: must be 1..65535 or the name of a UDP service", args[0])
	}
	return o, nil
}

// ReportPenlogd tells the operator what an error has to say and returns the exit status: 0 for nil and for a request for help, which goes to stdout; 64 for a wrong command line; 1 for anything else.
func ReportPenlogd(err error, stdout, stderr io.Writer) int {
	return penlogdTool.report(err, penlogdFlags(new(PenlogdOptions)), stdout, stderr)
}
