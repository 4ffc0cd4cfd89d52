package weblog

import (
	"fmt"
	"io"
	"os"
	"time"
)

const (
	// progressEvery is how often progress is shown at most.
	progressEvery = 200 * time.Millisecond
	// progressLines is after how many lines it is looked whether it is time.
	progressLines = 1024
)

// progress shows on a terminal how many bytes of the logs have been read. It is owned by the reader of the logs.
type progress struct {
	// constant after newProgress
	to io.Writer // nil: there is nobody to show it to

	// owned by the reader
	logs  []*logFile
	lines int
	next  time.Time
}

// newProgress shows progress if stderr is a terminal, unless the result goes to one as well.
func newProgress(stdout, stderr io.Writer) *progress {
	if !isTerminal(stderr) || isTerminal(stdout) {
		return &progress{}
	}
	return &progress{to: stderr}
}

// isTerminal takes any character device for a terminal: on /dev/null progress does no harm.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) watch(l *logFile) { p.logs = append(p.logs, l) }

// tick is called for each line.
func (p *progress) tick() {
	if p.lines++; p.to == nil || p.lines%progressLines != 0 {
		return
	}
	if now := time.Now(); !now.Before(p.next) {
		p.next = now.Add(progressEvery)
		fmt.Fprintf(p.to, "\r%s\x1b[K", p)
	}
}

// end makes the terminal's line empty again.
func (p *progress) end() {
	if p.to != nil {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}

// String is "45% of 1200 MB". If the size of a log is not known, as that of a pipe, it is how much has been read.
func (p *progress) String() string {
	var read, size int64
	known := true
	for _, l := range p.logs {
		read += l.count
		size += l.size
		known = known && l.regular()
	}
	if !known || size < read || size == 0 { // a log that grows
		return fmt.Sprintf("%d MB read", read>>20)
	}
	return fmt.Sprintf("%d%% of %d MB", read*100/size, size>>20)
}
