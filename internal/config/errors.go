package config

import (
	"errors"
	"fmt"
	"io"
)

// Exit statuses. Usage is EX_USAGE of sysexits.h: the arguments are wrong, so trying again is of no use.
const (
	exitFailed = 1
	exitUsage  = 64
)

// UsageError is a command line that cannot be carried out. Its text is one line that names the argument and what was expected of it.
type UsageError struct{ text string }

func (e *UsageError) Error() string { return e.text }

// usagef makes a UsageError.
func usagef(format string, args ...any) error {
	return &UsageError{text: fmt.Sprintf(format, args...)}
}

// Misjudged is the error of a flag that Parse took and that those whose it is will not have.
func Misjudged(flag string, why error) error { return usagef("--%s: %v", flag, why) }

var (
	// ErrHelp and ErrVersion say that the command line asks for the usage text or for the version, and for nothing else.
	ErrHelp    = errors.New("help requested")
	ErrVersion = errors.New("version requested")

	errNoArguments error = &UsageError{text: "no arguments"}
)

// ExitCode is the exit status that err stands for: 0 for nil, ErrHelp and ErrVersion, 64 for a UsageError, 1 for anything else.
func ExitCode(err error) int {
	var usage *UsageError
	switch {
	case err == nil, errors.Is(err, ErrHelp), errors.Is(err, ErrVersion):
		return 0
	case errors.As(err, &usage):
		return exitUsage
	default:
		return exitFailed
	}
}

// Report tells the operator what err has to say and returns its ExitCode. Help and version are answers and go to stdout;
// an error is one line on stderr, except that a command line without any argument gets the usage text there.
func Report(name string, err error, stdout, stderr io.Writer) int {
	switch {
	case err == nil:
	case errors.Is(err, ErrHelp):
		Usage(stdout, name)
	case errors.Is(err, ErrVersion):
		fmt.Fprintln(stdout, name, Version())
	case errors.Is(err, errNoArguments):
		Usage(stderr, name)
	default:
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
	}
	return ExitCode(err)
}
