package process

import (
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"time"
)

// syslogTag is the program's name in syslog's lines, as Pen's.
const syslogTag = "pen"

// stampLayout is how Pen writes a time before a line on stderr; local time.
const stampLayout = "2006-01-02 15:04:05: "

// Level is what debug level n, the number of -d given, logs: slog.LevelInfo and above for 0, one level (4) more for each.
func Level(n int) slog.Level { return slog.LevelInfo - slog.Level(4*n) }

// Logger returns the process's log: lines on stderr in the foreground, else syslog's facility "user" with the severity that the level stands for. It logs what level says at the time, and above.
//
// Logging never blocks and never fails: see sink. The connection to syslog is opened here, before any Drop. If there is no syslog, stderr is told so once and nothing is logged:
// a balancer without a log is worth more than none. Close writes what is still waiting.
func Logger(foreground bool, level slog.Leveler) (*slog.Logger, io.Closer) {
	return newLogger(foreground, level, os.Stderr, func() (*syslog.Writer, error) {
		return syslog.New(syslog.LOG_USER|syslog.LOG_INFO, syslogTag)
	})
}

func newLogger(foreground bool, least slog.Leveler, stderr io.Writer, dial func() (*syslog.Writer, error)) (*slog.Logger, io.Closer) {
	if foreground {
		s := newSink(func(e entry) error { return writeStamped(stderr, e) }, func() error { return nil })
		return slog.New(&handler{least: least, sink: s}), s
	}
	w, err := dial()
	if err != nil {
		fmt.Fprintf(stderr, "%s: no syslog, so nothing is logged: %v\n", syslogTag, err)
		return slog.New(slog.DiscardHandler), io.NopCloser(nil)
	}
	s := newSink(func(e entry) error { return writeSyslog(w, e) }, w.Close)
	return slog.New(&handler{least: least, sink: s}), s
}

// writeStamped writes "YYYY-MM-DD HH:MM:SS: text".
func writeStamped(w io.Writer, e entry) error {
	stamp := ""
	if !e.when.IsZero() {
		stamp = e.when.In(time.Local).Format(stampLayout)
	}
	_, err := io.WriteString(w, stamp+e.text+"\n")
	return err
}

// writeSyslog leaves the stamp to syslog.
func writeSyslog(w *syslog.Writer, e entry) error {
	switch {
	case e.level >= slog.LevelError:
		return w.Err(e.text)
	case e.level >= slog.LevelWarn:
		return w.Warning(e.text)
	case e.level >= slog.LevelInfo:
		return w.Info(e.text)
	default:
		return w.Debug(e.text)
	}
}
