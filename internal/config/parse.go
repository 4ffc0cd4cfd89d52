package config

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"
)

// Parse reads the arguments that follow the program's name. It returns Options or an error, never both: a UsageError, ErrHelp or ErrVersion.
// Name is used in the advice that an error gives.
func Parse(name string, args []string) (*Options, error) {
	if len(args) == 0 {
		return nil, errNoArguments
	}
	o := new(Options)
	var version bool
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	for _, s := range define(o, &version) {
		flags.AddFlagSet(s.flags)
	}
	flags.SetInterspersed(false) // as getopt: a flag behind the first address is not a flag
	flags.Usage = func() {}      // Report writes it, to where it belongs
	if err := parseFlags(flags, name, args); err != nil {
		return nil, err
	}
	if version {
		return nil, ErrVersion
	}
	o.maxConnsGiven = flags.Changed("max-conns")
	o.pipesGiven = flags.Changed("pipes")
	o.Hash = o.Hash || o.PenHash
	o.bump()
	if err := o.parseAddresses(flags.Args()); err != nil {
		return nil, err
	}
	return o, nil
}

// parseFlags lets pflag do its work and puts its errors into our words.
func parseFlags(flags *pflag.FlagSet, name string, args []string) error {
	for _, arg := range args {
		// pflag drops such an argument without a word, for the sake of go test. To us it is -t with an odd value.
		if strings.HasPrefix(arg, "-test.") {
			return flagError(flags.Lookup("timeout"), arg[2:], errors.New("must be seconds"))
		}
	}
	err := flags.Parse(args)
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
		syntax  *pflag.InvalidSyntaxError
	)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pflag.ErrHelp):
		return ErrHelp
	case errors.As(err, &unknown):
		dashes := "--"
		if unknown.GetSpecifiedShortnames() != "" {
			dashes = "-"
		}
		return usagef("unknown flag %q (see %s --help)", dashes+unknown.GetSpecifiedName(), name)
	case errors.As(err, &missing):
		flag := missing.GetFlag()
		return usagef("%s: %s is missing (see %s --help)", spelling(flag), flag.Value.Type(), name)
	case errors.As(err, &invalid):
		if invalid.GetFlag().Value.Type() == "bool" {
			return flagError(invalid.GetFlag(), invalid.GetValue(), errors.New("must be true or false, or left out"))
		}
		return flagError(invalid.GetFlag(), invalid.GetValue(), errors.Unwrap(invalid))
	case errors.As(err, &syntax):
		return usagef("%q is no flag (see %s --help)", syntax.GetSpecifiedFlag(), name)
	default:
		return usagef("%v (see %s --help)", err, name)
	}
}

func flagError(flag *pflag.Flag, text string, expected error) error {
	return usagef("%s %q: %v", spelling(flag), text, expected)
}

// spelling names a flag both ways: "-x, --max-conns".
func spelling(flag *pflag.Flag) string {
	if flag.Shorthand == "" {
		return "--" + flag.Name
	}
	return "-" + flag.Shorthand + ", --" + flag.Name
}

// bump raises what Pen raises, and says so in Pen's words.
func (o *Options) bump() {
	if o.AcceptBatch < minBatch {
		o.AcceptBatch = minBatch
		o.Notices = append(o.Notices, "multi_accept bumped to 1")
	}
	if o.Backlog < minBacklog {
		o.Backlog = minBacklog
		o.Notices = append(o.Notices, "listen_queue bumped to 50")
	}
}

// parseAddresses reads what is left after the flags: where to listen, then the servers. The port listened on is also that of servers which name none.
func (o *Options) parseAddresses(args []string) (err error) {
	if len(args) == 0 {
		return usagef("no listening address: give [host:]port or /path, and the servers after it")
	}
	if o.Listen, err = ParseListen(args[0]); err != nil {
		return err
	}
	if len(args) == 1 {
		return usagef("no servers: give at least one after the listening address")
	}
	for _, text := range args[1:] {
		s, err := ParseServer(text, o.Listen.Port)
		if err != nil {
			return err
		}
		o.Servers = append(o.Servers, s)
	}
	if o.Emergency != nil {
		*o.Emergency, err = parseServer("emergency server", o.Emergency.Text, o.Listen.Port)
	}
	return err
}

// emergency keeps the text of -e until the listening port, which may be its own, is known.
func emergency(text string) (*Server, error) { return &Server{Text: text}, nil }
