package splice

// What Auto goes by. The numbers are the relay's time per block in BenchmarkRelay (loopback TCP, 2-core VM, Linux 6.18, 32 KiB buffer, 256 KiB pipe), splice against recv and send:
// up to 12 KiB splice costs 1–2 µs or 5–15 % more, from 16 to 32 KiB the two are level, at 64 KiB it saves 2–3 µs or 10–15 %, at 1 MiB more than half.
const (
	// small, in bytes: a splice below it would have been cheaper as a copy.
	small = 16 << 10

	// large, in bytes: from here on a splice is clearly cheaper than copies.
	large = 64 << 10

	// smallInARow ends splicing: one small splice is the end of an object or a gap in a stream, four are a conversation. Being wrong costs at most their 8 µs.
	smallInARow = 4

	// maxWait bounds the full reads asked for before splicing starts again, as a power of two: 2⁴ reads of a 32 KiB buffer are half a MiB copied, soon over in a stream that needs splicing.
	maxWait = 4
)

// Flow decides for one direction of one connection whether the next bytes are copied or spliced. It is pure: the caller says what happened, Splicing says what to do next.
//
//	copying  ── 2^wait full reads in a row ──▶ splicing     a full read: more was waiting than the buffer holds
//	splicing ── 4 small splices in a row ────▶ copying      wait+1: a flow that was wrong once must show more next time
//	splicing ── a large splice ──────────────▶ splicing     wait-1: and one that was right is trusted again
//	splicing ── NoPipe ──────────────────────▶ copying      wait+1
//	any      ── Refused ─────────────────────▶ copying, for good
//
// The first full read of a connection suffices (wait is 0). Between a full read and a small splice lies a wide band in which nothing changes; wait keeps a flow that alternates across
// the whole band from flapping. Always counts every read as full and no splice as small; Never does neither.
// The zero Flow is Auto, copying. Owned by the connection; four bytes, because every idle connection has two.
type Flow struct {
	mode     Mode
	splicing bool
	run      uint8 // copying: full reads in a row; splicing: small splices in a row
	wait     uint8 // log2 of the full reads in a row that start splicing
}

// Start begins a connection's direction.
func (f *Flow) Start(mode Mode) { *f = Flow{mode: mode, splicing: mode == Always} }

// Splicing tells whether to splice next rather than to copy.
func (f *Flow) Splicing() bool { return f.splicing }

// Copied reports a read of n bytes, n > 0, into a buffer of bufSize.
func (f *Flow) Copied(n, bufSize int) {
	if f.mode == Never || f.splicing {
		return
	}
	if n < bufSize && f.mode != Always {
		f.run = 0
		return
	}
	f.run++
	if f.run >= 1<<f.wait {
		f.splicing, f.run = true, 0
	}
}

// Spliced reports a Drain of n bytes, n > 0, into an empty pipe. One that was cut short by the caller's own byte budget, or by data already in the pipe, says nothing about the flow and is not reported.
func (f *Flow) Spliced(n int) {
	if f.mode != Auto || !f.splicing {
		return
	}
	if n >= large && f.wait > 0 {
		f.wait--
	}
	if n >= small {
		f.run = 0
		return
	}
	f.run++
	if f.run >= smallInARow {
		f.retreat()
	}
}

// NoPipe reports that the pool had none: copy now, and after a while try again.
func (f *Flow) NoPipe() {
	if f.splicing {
		f.retreat()
	}
}

// Refused reports that splice does not work on the source (EINVAL before a byte moved): this direction copies from now on.
func (f *Flow) Refused() { f.Start(Never) }

func (f *Flow) retreat() {
	f.splicing, f.run = false, 0
	if f.wait < maxWait {
		f.wait++
	}
}
