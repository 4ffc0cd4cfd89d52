package config

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Parse reads the arguments that follow the program's name. It returns Options or an error, never both: a UsageError, ErrHelp or ErrVersion.
// Name is used in the advice that an error gives, and in CommandLine.
//
// Pen runs flags and the commands of -O in the order in which they stand. We do all flags first and then Commands, so that
// the flags behind the first -O, as far as there is a control command that says the same, are in Commands as well, in their place.
func Parse(name string, args []string) (*Options, error) {
	if len(args) == 0 {
		return nil, errNoArguments
	}
	o := &Options{name: name, args: slices.Clone(args)}
	var version bool
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	for _, s := range define(o, &version) {
		flags.AddFlagSet(s.flags)
	}
	flags.SetInterspersed(false) // as getopt: a flag behind the first address is not a flag
	flags.Usage = func() {}      // Report writes it, to where it belongs
	if err := o.parseFlags(flags); err != nil {
		return nil, err
	}
	if version {
		return nil, ErrVersion
	}
	o.pipesGiven = flags.Changed("pipes")
	o.Hash = o.Hash || o.PenHash
	o.bump()
	if err := o.parseAddresses(flags.Args()); err != nil {
		return nil, err
	}
	return o, nil
}

// parseFlags lets pflag do its work and puts its errors into our words.
func (o *Options) parseFlags(flags *pflag.FlagSet) error {
	for _, arg := range o.args {
		// pflag drops such an argument without a word, for the sake of go test. To us it is -t with an odd value.
		if strings.HasPrefix(arg, "-test.") {
			return flagError(flags.Lookup("timeout"), arg[2:], errors.New("must be seconds"))
		}
	}
	follow := order{o: o}
	err := flags.ParseAll(o.args, func(flag *pflag.Flag, text string) error {
		if err := flags.Set(flag.Name, text); err != nil {
			return err
		}
		if flag.Name == "max-conns" && strings.Trim(text, "0") != "" {
			o.maxConnsGiven = true
		}
		follow.after(flag.Name, text)
		return nil
	})
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
		letter := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() == "" {
			return usagef("unknown flag %q (see %s --help)", "--"+unknown.GetSpecifiedName(), o.name)
		}
		if why, ok := refused[letter]; ok {
			return usagef("-%s: %s", letter, why)
		}
		return usagef("unknown flag %q (see %s --help)", "-"+letter, o.name)
	case errors.As(err, &missing):
		flag := missing.GetFlag()
		return usagef("%s: %s is missing (see %s --help)", spelling(flag), flag.Value.Type(), o.name)
	case errors.As(err, &invalid):
		if invalid.GetFlag().Value.Type() == "bool" {
			return flagError(invalid.GetFlag(), invalid.GetValue(), errors.New("must be true or false, or left out"))
		}
		return flagError(invalid.GetFlag(), invalid.GetValue(), errors.Unwrap(invalid))
	case errors.As(err, &syntax):
		return usagef("%q is no flag (see %s --help)", syntax.GetSpecifiedFlag(), o.name)
	default:
		return usagef("%v (see %s --help)", err, o.name)
	}
}

func flagError(flag *pflag.Flag, text string, expected error) error {
	return usagef("%s %q: %v", spelling(flag), text, expected)
}

// spelling names a flag both ways, if it has both: "-x, --max-conns".
func spelling(flag *pflag.Flag) string {
	switch {
	case flag.Shorthand == "":
		return "--" + flag.Name
	case flag.Hidden:
		return "-" + flag.Shorthand
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
	if len(args) == 0 && !o.mayListen() {
		return usagef("no listening address: give [host:]port or /path, and the servers after it, or have the file of -F say so")
	}
	if len(args) > 0 {
		if o.Listen, err = ParseListen(args[0]); err != nil {
			return err
		}
		args = args[1:]
	}
	if o.Listen.Path != "" && o.OnNoServer == "close-listener" {
		return usagef("--on-no-server %q: %s is a Unix socket, which cannot be closed and opened again; use accept or reset", o.OnNoServer, o.Listen.Path)
	}
	if len(args) == 0 && o.ConfigFile == "" && len(o.Commands) == 0 {
		return usagef("no servers: give at least one after the listening address, or in the file of -F")
	}
	for _, text := range args {
		s, err := ParseServer(text, o.Listen.Port)
		if err != nil {
			return err
		}
		o.Servers = append(o.Servers, s)
	}
	for _, s := range []struct {
		what string
		*Server
	}{{"emergency server", o.Emergency}, {"abuse server", o.Abuse}} {
		if s.Server == nil {
			continue
		}
		if *s.Server, err = parseServer(s.what, s.Text, o.Listen.Port); err != nil {
			return err
		}
	}
	return nil
}

// mayListen says whether a command or the file of commands may name where to listen. What is in the file is not known yet.
func (o *Options) mayListen() bool {
	return o.ConfigFile != "" || slices.ContainsFunc(o.Commands, func(command string) bool {
		words := tokens(command)
		return len(words) > 1 && words[0] == "listen"
	})
}

// special keeps the text of -e and -B until the listening port, which may be theirs, is known.
func special(text string) (*Server, error) { return &Server{Text: text}, nil }
