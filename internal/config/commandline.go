package config

import (
	"fmt"
	"strings"
)

// CommandLine is the command that would start this again: the name and the arguments that Parse was given, quoted for a shell where they have to be.
// It is one line whatever the arguments hold. The $'...' that line ends and the like are quoted with is of POSIX 2024; bash, ksh and zsh have long known it.
func (o *Options) CommandLine() string {
	line := quote(o.name)
	for _, arg := range o.args {
		line += " " + quote(arg)
	}
	return line
}

// unquoted are the bytes that mean nothing to a shell wherever they stand.
const unquoted = letters + "0123456789_-+./:,@%"

func quote(arg string) string {
	switch {
	case arg != "" && strings.Trim(arg, unquoted) == "":
		return arg
	case strings.ContainsFunc(arg, isControl):
		var text strings.Builder
		for _, b := range []byte(arg) {
			switch {
			case b == '\'' || b == '\\':
				text.WriteString(`\` + string(b))
			case isControl(rune(b)):
				fmt.Fprintf(&text, `\%03o`, b)
			default:
				text.WriteByte(b)
			}
		}
		return "$'" + text.String() + "'"
	default:
		return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
}

// isControl says whether r is a control character of ASCII.
func isControl(r rune) bool { return r < ' ' || r == 0x7f }
