package daemon

import (
	"errors"
	"sync"

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

// lost is what the access logs have lost that are no longer in use: the sum may never fall.
type lost struct {
	mu sync.Mutex // held also while the log in use is replaced

	// guarded by mu
	lines uint64
}

// replaceLog puts another log in the place of the one in use, whose losses up to now are counted.
func (d *Daemon) replaceLog(to *accesslog.Log) (old *accesslog.Log, counted uint64) {
	d.lost.mu.Lock()
	defer d.lost.mu.Unlock()
	if old = d.access.Swap(to); old != nil {
		counted = old.Dropped()
		d.lost.lines += counted
	}
	return old, counted
}

// loseLines counts what a log lost after it was replaced.
func (d *Daemon) loseLines(n uint64) {
	d.lost.mu.Lock()
	defer d.lost.mu.Unlock()
	d.lost.lines += n
}

// linesLost is how many lines the access logs have lost since the start.
func (d *Daemon) linesLost() uint64 {
	d.lost.mu.Lock()
	defer d.lost.mu.Unlock()
	n := d.lost.lines
	if access := d.access.Load(); access != nil {
		n += access.Dropped()
	}
	return n
}
