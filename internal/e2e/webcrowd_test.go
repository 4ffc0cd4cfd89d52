package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// chatter is connections through pen that ask and are answered again and again, as keep-alive requests do.
type chatter struct {
	t       *testing.T
	callers []*caller
}

func newChatter(t *testing.T, to string, callers int) *chatter {
	t.Helper()
	ch := &chatter{t: t}
	for i := range callers {
		c := call(t, client(200+i, to), to)
		c.mustName(t)
		ch.callers = append(ch.callers, c)
	}
	return ch
}

// asks has each caller ask n times, one after the other, and returns the time under which 99 in 100 were answered. One that is not answered fails the test.
func (ch *chatter) asks(n int) (p99 time.Duration) {
	ch.t.Helper()
	var mu sync.Mutex
	var all []time.Duration
	var done sync.WaitGroup
	for _, c := range ch.callers {
		done.Go(func() {
			took := make([]time.Duration, 0, n)
			for range n {
				began := time.Now()
				_ = c.SetDeadline(began.Add(patience))
				if _, err := io.WriteString(c, "a question\n"); err != nil {
					ch.t.Errorf("client %v: %v", c.LocalAddr(), err)
					return
				}
				if line, err := c.lines.ReadString('\n'); err != nil || line != "a question\n" {
					ch.t.Errorf("client %v: answered %q, %v", c.LocalAddr(), line, err)
					return
				}
				took = append(took, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	if done.Wait(); len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

// watch becomes a viewer, and returns the connection with the answer's head read: the status, and the body of a refusal.
func (w *window) watch() (c net.Conn, status int, body string) {
	w.t.Helper()
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(w.base, "http://"), patience)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		w.t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		body = string(text)
		if answer.Header.Get("Retry-After") == "" {
			w.t.Error("a refusal does not say when to come again")
		}
	}
	return c, answer.StatusCode, body
}

// As many viewers as there is room for, of whom every other never reads again, and one more, who is told so: requests are answered as before, in about the same time, and memory has its bound.
func TestWebPageUnderACrowd(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		_, addresses := serveNamed(t, 2)
		w := openWindow(t, poller, nil, addresses...)
		const callers = 8
		requests := sized(250, 5000)
		ch := newChatter(t, w.address, callers)
		ch.asks(requests / 10)
		alone, before := ch.asks(requests), w.rss()
		viewers := 0
		for {
			c, status, body := w.watch()
			if status == http.StatusOK {
				if viewers++; viewers%2 == 0 {
					_ = c.SetDeadline(time.Time{})
					go func() { _, _ = io.Copy(io.Discard, c) }()
				}
				continue
			}
			if want := fmt.Sprintf(`{"error":"%d are watching already"}`+"\n", viewers); status != http.StatusServiceUnavailable || body != want {
				t.Errorf("one viewer too many is told %d %q, want %q", status, body, want)
			}
			break
		}
		if least := sized(50, 1000); viewers < least {
			t.Errorf("there is room for %d viewers, want %d at least", viewers, least)
		}
		watched := ch.asks(requests)
		grown := (w.rss() - before) / viewers
		const most = 96 // KiB: a connection of net/http with its goroutine, its two buffers, and a sample
		if grown > most && !raceDetector {
			t.Errorf("%d KiB a viewer, want at most %d", grown, most)
		}
		w.becomes("/readyz", 200)
		shown(t, "%s: %d viewers, half of whom never read, %d KiB each; %d requests over %d connections, none failed: p99 %v without viewers, %v with them",
			poller, viewers, grown, callers*requests, callers, alone.Round(time.Microsecond), watched.Round(time.Microsecond))
	})
}
