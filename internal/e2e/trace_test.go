package e2e

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// calls is what strace saw of one kind of call: how many, and the sum of what they returned that was not an error.
type calls struct {
	n     int
	bytes int64
}

var traced = regexp.MustCompile(`^(?:\d+ +)?(?:<\.\.\. )?(\w+)(?:\(| resumed).* = (-?\d+)`)

// readTrace adds up an strace log by call.
func readTrace(t *testing.T, name string) map[string]calls {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]calls{}
	for line := range strings.Lines(string(content)) {
		m := traced.FindStringSubmatch(line)
		if m == nil {
			continue // an unfinished call, whose other half follows
		}
		c := seen[m[1]]
		c.n++
		if n, err := strconv.ParseInt(m[2], 10, 64); err == nil && n > 0 {
			c.bytes += n
		}
		seen[m[1]] = c
	}
	return seen
}

// A large transfer goes through splice(2), as strace sees it: every byte into a pipe and out of it, but for the few copied at the start.
func TestSpliceCarriesLargeTransfers(t *testing.T) {
	size := int64(sized(32<<20, 1<<30))
	eachPoller(t, func(t *testing.T, poller string) {
		for _, o := range []order{{Seed: 1, Up: size}, {Seed: 2, Down: size}} {
			t.Run(fmt.Sprintf("%d MiB up, %d MiB down", o.Up>>20, o.Down>>20), func(t *testing.T) {
				x := clientEndsFirst
				log := filepath.Join(t.TempDir(), "trace")
				s := x.serve(t, "")
				b := launch{poller: poller, servers: []string{s.address}, under: []string{
					"strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=splice,read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg", "-o", log}}.start(t)
				if err := x.run(loopback(1), b.address, o); err != nil {
					t.Fatal(err)
				}
				b.finish()
				seen := readTrace(t, log)
				spliced := seen["splice"]
				var copied calls
				for name, c := range seen {
					if name != "splice" {
						copied.n, copied.bytes = copied.n+c.n, copied.bytes+c.bytes
					}
				}
				if spliced.bytes < 2*size*98/100 {
					t.Errorf("splice moved %d bytes in %d calls, want twice %d, in and out", spliced.bytes, spliced.n, size)
				}
				if copied.bytes > size/10 {
					t.Errorf("%d bytes were copied in %d calls", copied.bytes, copied.n)
				}
				shown(t, "%s: splice moved %d MiB in and out by %d calls of %d KiB on average; all reads and writes together %d KiB by %d calls",
					t.Name(), spliced.bytes>>21, spliced.n, spliced.bytes>>10/int64(max(spliced.n, 1)), copied.bytes>>10, copied.n)
			})
		}
	})
}

// Splicing takes at most half of the user-space CPU time that copying takes, per byte. Of gnet's poller, the reference, it is shown and not asked: user time is two or three in a hundred of what pen
// spends, and there most of it is the Go scheduler's part of a wait, which is the same whatever is done after it.
func TestMeasureUserTimeOfSplicing(t *testing.T) {
	// Bytes each way: user time is told from system time by sampling at 100 Hz or so, which takes seconds to mean something.
	const connections, each = 4, 4 << 30
	piece := make([]byte, 256<<10)
	pour := func(c conn) error {
		for left := each; left > 0; left -= len(piece) {
			if _, err := c.Write(piece); err != nil {
				return err
			}
		}
		return c.CloseWrite()
	}
	drink := func(c conn) error {
		n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{c}, make([]byte, 256<<10))
		if err == nil && n != each {
			err = fmt.Errorf("%d bytes, want %d", n, each)
		}
		return err
	}
	eachPoller(t, func(t *testing.T, poller string) {
		for _, way := range []struct {
			name           string
			client, server func(conn) error
		}{{"down", drink, pour}, {"up", pour, drink}} {
			user := map[string]float64{} // milliseconds per GB
			for _, splice := range []string{"auto", "never"} {
				s := serve(t, "", way.server)
				b := launch{poller: poller, flags: []string{"--splice", splice}, servers: []string{s.address}}.start(t)
				var clients sync.WaitGroup
				for i := range connections {
					clients.Go(func() {
						c, err := connect(loopback(i), b.address)
						if err != nil {
							t.Error(err)
							return
						}
						defer c.Close()
						if err := errors.Join(way.client(c), c.CloseWrite()); err != nil {
							t.Error(err)
						}
						if _, err := io.Copy(io.Discard, c); err != nil { // to the server's end
							t.Error(err)
						}
					})
				}
				clients.Wait()
				const perTick = 10 / (float64(connections) * each / 1e9) // milliseconds per GB
				u, sys := b.ticks()
				user[splice] = float64(u) * perTick
				shown(t, "%s, %s, --splice %s: user %.1f ms, system %.1f ms per GB", poller, way.name, splice, user[splice], float64(sys)*perTick)
				b.finish()
			}
			if poller == "raw" && user["auto"] > user["never"]/2 {
				t.Errorf("%s: user time per GB is %.1f ms spliced and %.1f ms copied, want at most half", way.name, user["auto"], user["never"])
			}
		}
	})
}
