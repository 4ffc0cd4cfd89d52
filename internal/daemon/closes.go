package daemon

import (
	"errors"

	"pen/internal/accesslog"
)

// openLog opens a log in the format that the flags ask for.
func (d *Daemon) openLog(dest string) (*accesslog.Log, error) {
	if err := d.mayLogTo(dest); err != nil {
		return nil, err
	}
	if d.format == accesslog.Pen {
		return accesslog.Open(dest, d.log)
	}
	return accesslog.OpenEndings(dest, d.log)
}

// mayLogTo refuses what nobody would see: a daemon's standard error leads nowhere.
func (d *Daemon) mayLogTo(dest string) error {
	if accesslog.IsStderr(dest) && !d.options.Foreground {
		return errors.New("log to stderr: a daemon has none; stay in the foreground (-f), or log to syslog, journald or a file")
	}
	return nil
}

// logTo has the loops write to a log, nil for none: what clients send, or how connections end.
func (d *Daemon) logTo(to *accesslog.Log) {
	switch {
	case to == nil: // not a nil *Log in an interface
		d.group.LogTo(nil)
		d.group.WitnessBy(nil)
	case d.format == accesslog.Pen:
		d.group.LogTo(to)
	default:
		d.group.WitnessBy(accesslog.Witness{Log: to, Format: d.format})
	}
}

// Closes yields the last abnormal endings in words, the oldest first.
func (d *Daemon) Closes(yield func(line string) bool) {
	if d.group == nil {
		return
	}
	for _, t := range d.group.Closes() {
		if !yield(accesslog.Logfmt.Line(&t)) {
			return
		}
	}
}
