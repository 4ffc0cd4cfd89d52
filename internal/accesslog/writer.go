package accesslog

import "time"

// exchange asks the writer to go over to another sink. The writer owns it from then on, and closes done when it has.
type exchange struct {
	to   sink
	done chan struct{}
}

// write is the writer: it alone writes to the sink, and closes it.
func (l *Log) write(out sink) {
	defer close(l.ended)
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-rest.C:
			if l.idle.Store(true); l.lines.waiting() == 0 {
				continue
			}
			l.idle.Store(false) // a line came in before idle was set, and its caller saw no need to say so
		case <-l.some:
		case <-l.half:
		case x := <-l.swap:
			l.judge(out.write(l.lines))
			l.judge(out.end())
			l.mu.Lock()
			l.sink = x.to
			l.mu.Unlock()
			out = x.to
			close(x.done)
			continue
		case <-l.done:
			l.judge(out.write(l.lines))
			l.judge(out.end())
			l.judge(l.lines.waiting(), nil)
			return
		}
		l.judge(out.write(l.lines))
		rest.Reset(pauseOf(out))
	}
}

// pauseOf is how long the writer gathers lines for a sink. A collector gets each at once: penlogd looks for pen's line when the web server's arrives, as soon as the request is answered.
func pauseOf(out sink) time.Duration {
	if _, ok := out.(*collector); ok {
		return 0
	}
	return gather
}

// judge counts what a sink has lost, and keeps the reason for the reporter.
func (l *Log) judge(lost int, err error) {
	if err != nil {
		l.why.Store(&err)
	}
	if lost > 0 {
		l.drop(lost)
	}
}

// complain is the reporter. It is not the writer, because a writer that is stuck could not say so.
func (l *Log) complain() {
	defer close(l.over)
	said := uint64(0)
	say := func() {
		total := l.Dropped()
		if total == said {
			return
		}
		why := "the sink is slower than the lines come"
		if err := l.why.Swap(nil); err != nil {
			why = (*err).Error()
		}
		l.report.Warn("log lines dropped", "log", l.dest, "lines", total-said, "total", total, "why", why)
		said = total
	}
	rest := time.NewTimer(l.pause)
	rest.Stop()
	defer rest.Stop()
	lost := l.lost // nil while the reporter rests
	for {
		select {
		case <-lost:
			say()
			lost = nil
			rest.Reset(l.pause)
		case <-rest.C:
			lost = l.lost
		case <-l.ended:
			say()
			return
		}
	}
}
