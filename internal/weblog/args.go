package weblog

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// Exit statuses. Usage is EX_USAGE of sysexits.h: the arguments are wrong, so trying again is of no use.
const (
	exitFailed = 1
	exitUsage  = 64
)

// usageWidth is the width of the usage texts in columns.
const usageWidth = 100

// usageError is a command line that cannot be carried out. Its text is one line that names the argument.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// tool is what the three have in common at the outside.
type tool struct {
	name  string
	usage string // the text before the list of flags
}

// newFlags is an empty set, of which the usage text keeps the order.
func (t tool) newFlags() *pflag.FlagSet {
	flags := pflag.NewFlagSet(t.name, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {} // report writes it
	return flags
}

// parse gives what is left of args after the flags, which may stand anywhere among the arguments, as with Debian's tools.
func (t tool) parse(flags *pflag.FlagSet, args []string) ([]string, error) {
	for _, arg := range args {
		if strings.HasPrefix(arg, "-test.") { // pflag would drop it without a word
			return nil, t.usagef("unknown flag %q", arg)
		}
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, t.usagef("%v", err)
	}
	return flags.Args(), nil
}

// usagef makes a usageError that says where to read on.
func (t tool) usagef(format string, args ...any) error {
	return usagef("%s (see %s --help)", fmt.Sprintf(format, args...), t.name)
}

// report tells the operator what err has to say and returns the exit status: 0 for nil and for a request for help, which goes to stdout; 64 for a wrong command line; 1 for anything else.
func (t tool) report(err error, flags *pflag.FlagSet, stdout, stderr io.Writer) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(stdout, t.usage)
		if flags.HasFlags() {
			fmt.Fprint(stdout, "\n", flags.FlagUsagesWrapped(usageWidth))
		}
		return 0
	}
	fmt.Fprintf(stderr, "%s: %v\n", t.name, err)
	if errors.As(err, new(*usageError)) {
		return exitUsage
	}
	return exitFailed
}
