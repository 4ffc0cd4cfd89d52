package config

import (
	"fmt"
	"slices"
)

// obsolete are Pen's flags that mean nothing here. Pen itself gave up all but -P, and which of them has a value was seen on it.
var obsolete = []struct{ letter, arg, why string }{
	{"D", "", "there is no delayed forward"},
	{"n", "", "no socket ever blocks"},
	{"P", "", "poll is not used, see --poller"},
	{"Q", "", "kqueue is not a part of Linux"},
	{"S", "N", "the table of servers grows by itself"},
}

// obsoleteSection defines those flags. Each that is given makes one notice, however often it is.
func obsoleteSection(o *Options) section {
	s := newSection("Obsolete: accepted, and without effect")
	for _, old := range obsolete {
		notice := fmt.Sprintf("-%s is obsolete and has no effect: %s", old.letter, old.why)
		kind := old.arg
		if kind == "" {
			kind = "bool" // as pflag calls the type of flags without a value
		}
		s.letter(old.letter, old.arg, &value[[]string]{to: &o.Notices, placeholder: kind, parse: func(string) ([]string, error) {
			if slices.Contains(o.Notices, notice) {
				return o.Notices, nil
			}
			return append(o.Notices, notice), nil
		}}, old.why)
	}
	return s
}

// refused are Pen's flags that we cannot take, with the reason. They are refused where they stand, so that whether they have a value does not matter.
var refused = map[string]string{
	"U": "UDP is not supported yet",
	"E": noTLS, "K": noTLS, "G": noTLS, "A": noTLS, "R": noTLS, "Z": noTLS, "L": noTLS,
	"i": "Windows only",
}

const noTLS = "TLS is not supported yet"
