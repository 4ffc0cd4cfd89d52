// Package accesslog writes Pen's log: one line for each read of bytes from a client, to a file or by UDP to penlogd; or, in formats of our own, one for each connection that ends.
//
//	loops ──Line──▶ ring (bounded) ──▶ writer ──▶ file, stderr, syslog, journald or collector
//	                  │ full: dropped     │ refused: dropped
//	                  └───── counted ─────┴──▶ reporter ──▶ slog
//
// The loops only copy into memory. The writer formats and writes; the reporter says what was dropped. A sink that is full, slow or gone costs lines,
// never time on a loop.
package accesslog

import "time"

const (
	// maxRequest is how many bytes of a request stand in a file (PEN.md 1.9). mergelogs matches on them.
	maxRequest = 100
	// maxDatagram bounds a datagram to penlogd, its newline included (PEN.md 1.9). What is before the newline is as much of the request as fits.
	maxDatagram = 1024
	// fileLines and collectorLines are how many lines may wait for the writer, powers of two: 1.4 MB and 4.5 MB, touched only as they are used.
	// At 200 000 lines a second they are 40 and 20 ms of lines, longer than a busy machine often keeps a writer from running.
	fileLines      = 8192
	collectorLines = 4096
	// gather is how long the writer rests after a write, unless half a ring of lines comes in. The first line after a rest is written at once.
	gather = 250 * time.Millisecond
	// chunk is how many bytes go to a file in one write.
	chunk = 64 << 10
	// reportEvery is the least time between two reports of dropped lines.
	reportEvery = 10 * time.Second
	// reopenWait is how long Reopen waits for the writer to let go of the old file.
	reopenWait = time.Second
	// closeWait is how long a sink may take for what is left at Close; Close itself gives up after twice that.
	closeWait = time.Second
)
