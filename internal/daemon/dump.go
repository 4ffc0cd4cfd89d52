package daemon

import (
	"fmt"
	"log/slog"
	"strings"

	"pen/internal/control"
	"pen/loop"
)

// dumpLevel is the debug level from which Pen dumps what it carries: -ddd.
const dumpLevel = 3

// dumper writes what is carried into the log, as Pen does: in hexadecimal, or with -a as text.
type dumper struct {
	log   *slog.Logger
	ascii bool
}

// Show implements loop.Tap.
func (d dumper) Show(number int, up bool, data []byte) {
	direction := "copy_down"
	if up {
		direction = "copy_up"
	}
	d.log.Debug(fmt.Sprintf("%s: connection %d: %d: %s", direction, number, len(data), dump(data, d.ascii)))
}

// dump is Pen's form, but for control characters: those would tear the line.
func dump(data []byte, ascii bool) string {
	var b strings.Builder
	for _, c := range data {
		switch {
		case !ascii:
			fmt.Fprintf(&b, "%02x ", c)
		case c >= ' ' && c < 0x7f:
			b.WriteByte(c)
		default:
			b.WriteByte('.')
		}
	}
	return b.String()
}

// tap has what is carried dumped if the state says so.
func (d *Daemon) tap(s *control.State) {
	var to loop.Tap
	if s.Debug >= dumpLevel {
		to = dumper{d.log, s.Ascii}
	}
	d.group.TapTo(to)
}
