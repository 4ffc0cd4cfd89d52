package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// digest is the SHA-256 that the large transfer must have, computed while the other steps run.
type digest struct {
	done chan struct{}
	// set before done is closed
	sum string // hex
	err error
}

func startDigest(ctx context.Context, n int64) *digest {
	d := &digest{done: make(chan struct{})}
	go func() {
		defer close(d.done)
		d.sum, d.err = bigSum(ctx, n)
	}()
	return d
}

// Wait returns the sum, or the error that ended the computation.
func (d *digest) Wait() (string, error) {
	<-d.done
	return d.sum, d.err
}

// transfer is the fourth step: one large answer through the balancer, its rate, its SHA-256, and how it went through the kernel.
func (t *tour) transfer(ctx context.Context, due *digest) error {
	c := t.clients[0]
	err := t.announce(ctx, "4  "+size(t.bulk)+" through the balancer", fmt.Sprintf(
		"%s fetches %s from its server. Once the balancer sees that there are many bytes, it moves them from socket to socket inside the kernel (splice), unless it was told not to.", c.name, size(t.bulk)))
	if err != nil {
		return err
	}
	want, err := due.Wait()
	if err != nil {
		return context.Cause(ctx)
	}
	t.sum = want
	begun := time.Now()
	n, got, err := t.fetch(ctx, c)
	took := time.Since(begun)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		t.judge(false, "", fmt.Sprintf("the transfer broke off after %s: %v", size(n), err))
		return nil
	}
	t.judge(n == t.bulk, fmt.Sprintf("%s in %.2f s: %s/s, the client's SHA-256 included", size(n), took.Seconds(), size(int64(float64(n)/took.Seconds()))),
		fmt.Sprintf("%d of %d bytes arrived", n, t.bulk))
	t.judge(got == want, "every byte as it was sent: SHA-256 "+got[:16]+"...", "not the bytes that were sent: SHA-256 "+got[:16]+"... instead of "+want[:16]+"...")
	if share, known := t.splicedShare(ctx); known {
		t.screen.say(fmt.Sprintf("By the balancer's own count %.1f %% of all bytes so far went through splice: its memory never held them.", 100*share))
	}
	return rest(ctx, t.pace.read)
}

// Buffers between the socket and the SHA-256, which run side by side.
const (
	fetchBuffers    = 4
	fetchBufferSize = 1 << 20
	redraw          = 100 * time.Millisecond // of the bar
)

// fetch gets the large answer and returns how many bytes came and their SHA-256.
func (t *tour) fetch(ctx context.Context, c *client) (n int64, sum string, err error) {
	resp, err := c.open(ctx, "/big?bytes="+strconv.FormatInt(t.bulk, 10))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	free, full := make(chan []byte, fetchBuffers), make(chan []byte, fetchBuffers)
	for range fetchBuffers {
		free <- make([]byte, fetchBufferSize)
	}
	h := sha256.New()
	hashed := make(chan struct{})
	go func() {
		defer close(hashed)
		hashAll(h, full, free)
	}()
	n, err = t.receive(resp.Body, full, free)
	close(full)
	<-hashed
	return n, hex.EncodeToString(h.Sum(nil)), err
}

func hashAll(h hash.Hash, full <-chan []byte, free chan<- []byte) {
	for p := range full {
		h.Write(p)
		free <- p[:cap(p)]
	}
}

// receive reads body to its end into buffers from free and hands them on to full, drawing a bar meanwhile.
func (t *tour) receive(body io.Reader, full chan<- []byte, free <-chan []byte) (n int64, err error) {
	pic := t.screen.picture()
	defer pic.End()
	var drawn time.Time
	for {
		p := <-free
		k, err := io.ReadFull(body, p)
		n += int64(k)
		full <- p[:k]
		if now := time.Now(); err != nil || now.Sub(drawn) >= redraw {
			drawn = now
			pic.Draw([]string{"", bar(n, t.bulk), ""})
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF && n == t.bulk {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// bar draws how much of all has come.
func bar(n, all int64) string {
	const cells = 40
	k := int(cells * n / max(all, 1))
	return "       [" + strings.Repeat("#", k) + strings.Repeat(".", cells-k) + "]  " + size(n)
}

// splicedShare asks the balancer for its statistics (USR1) and returns which share of the bytes it carried went through splice. Not known if the log does not say.
func (t *tour) splicedShare(ctx context.Context) (share float64, known bool) {
	ctx, cancel := context.WithTimeout(ctx, t.pace.count)
	defer cancel()
	_, mark := t.pen.journal.Since(0)
	t.pen.Signal(syscall.SIGUSR1)
	for {
		var lines []string
		lines, mark = t.pen.journal.Since(mark)
		for _, line := range lines {
			if share, known := parseShare(line); known {
				return share, true
			}
		}
		select {
		case <-t.pen.journal.news:
		case <-ctx.Done():
			return 0, false
		}
	}
}

var (
	splicedBytes = regexp.MustCompile(`\bspliced[=: ]+(\d+)\b`)
	copiedBytes  = regexp.MustCompile(`\bcopied[=: ]+(\d+)\b`)
)

// parseShare reads the spliced share from a line of statistics that has both `spliced=BYTES` and `copied=BYTES`.
func parseShare(line string) (share float64, known bool) {
	s, c := splicedBytes.FindStringSubmatch(line), copiedBytes.FindStringSubmatch(line)
	if s == nil || c == nil {
		return 0, false
	}
	spliced, err1 := strconv.ParseFloat(s[1], 64)
	copied, err2 := strconv.ParseFloat(c[1], 64)
	if err1 != nil || err2 != nil || spliced+copied == 0 {
		return 0, false
	}
	return spliced / (spliced + copied), true
}

// size writes a number of bytes in binary units.
func size(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%d B", n)
	}
}
