package weblog

// staleRecords is how many records that were too old when they were read may still be matched by the line they were read for. To Debian's mergelogs there is no limit, so that a log of pen's that
// begins long before the others fills its memory.
const staleRecords = 1 << 15

// window finds clients in the records around a time: those up to jitter before it, and those behind up to the first one that is more than jitter later. Like that of Debian's mergelogs it
// only moves on: times that go back find what is still there.
type window struct {
	// constant after newWindow
	log    *logFile
	jitter int64 // seconds

	// owned by the caller
	recent *recent
	server []byte // the name last made
	done   bool   // the last record has been read
}

func newWindow(log *logFile, jitter int64) *window {
	return &window{log: log, jitter: jitter, recent: newRecent()}
}

func (w *window) file() *logFile { return w.log }

func (w *window) find(server, request []byte, at int64) []byte {
	w.advance(at)
	r := w.recent
	found, ok := r.match(server, request, func() (ref, bool) { return r.nearest(at) })
	if !ok {
		return nil
	}
	return r.client(found)
}

// advance moves the window to a time.
func (w *window) advance(at int64) {
	w.dropBefore(at-w.jitter, 0)
	for !w.done && w.log.last <= at+w.jitter {
		w.read()
		w.dropBefore(at-w.jitter, staleRecords)
	}
}

// dropBefore drops records from before a time, as long as there are more than keep in all.
func (w *window) dropBefore(time int64, keep int) {
	for w.recent.count > keep && w.recent.oldest() < time {
		w.recent.drop()
	}
}

// read reads a line of pen's log.
func (w *window) read() {
	line, ok := w.log.next()
	if !ok {
		w.done = true
		return
	}
	p, ok := parsePenLine(line)
	if !ok {
		w.log.leaveOut()
		return
	}
	w.log.use(p.epoch)
	if !p.usable() {
		return
	}
	w.server = appendServer(w.server[:0], p.server)
	w.recent.use(w.server, p.request)
	if !w.recent.isRepeat(p.epoch) {
		w.recent.add(p.epoch, p.client)
	}
}
