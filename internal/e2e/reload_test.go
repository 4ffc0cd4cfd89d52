package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// talker is a connection that stays open and goes on being used.
type talker struct {
	*caller
	name   string
	echoes atomic.Int64
}

// HUP again and again with each kind of file, while connections to every server are open and in use, and new ones come: with a broken and a missing file nothing changes, with others servers go,
// come and come back. No connection is lost, those to a server that has gone included, no request fails, and no client of a server that stays is led to another.
//
// What each file does to the settings is TestHUPUnderTraffic's.
func TestReloadTouchesNobody(t *testing.T) {
	rounds, talkers, visitors := sized(4, 50), sized(60, 400), sized(6, 12)
	eachPoller(t, func(t *testing.T, poller string) {
		const servers = 5
		_, addresses := serveNamed(t, servers)
		file := filepath.Join(openDir(t), "pen.conf")
		// lines is a file in which just those servers are.
		lines := func(there func(i int) bool) string {
			var text strings.Builder
			for i, address := range addresses {
				host, port, _ := net.SplitHostPort(address)
				if there(i) {
					fmt.Fprintf(&text, "server %d address %s port %s\n", i, host, port)
				} else {
					fmt.Fprintf(&text, "no server %d\n", i)
				}
			}
			return text.String()
		}
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		all := lines(func(int) bool { return true })
		write(all)
		s := steer(t, poller, true, []string{"-F", file, "-x", "2000"})

		var open []*talker
		for i := range talkers {
			c := &talker{caller: call(t, loopback(1000+i), s.address)}
			c.name = c.mustName(t)
			open = append(open, c)
		}
		over := make(chan struct{})
		hangUp := sync.OnceFunc(func() { close(over) })
		var talk sync.WaitGroup
		for _, c := range open {
			talk.Go(func() {
				for n := 0; ; n++ {
					said := fmt.Sprint("word ", n)
					if _, err := fmt.Fprintln(c, said); err != nil {
						t.Errorf("a connection to %s is lost: %v", c.name, err)
						return
					}
					if line, err := c.caller.name(patience); err != nil || line != said {
						t.Errorf("a connection to %s is lost: %q after %q, %v", c.name, line, said, err)
						return
					}
					c.echoes.Add(1)
					select {
					case <-over:
						return
					default:
					}
				}
			})
		}
		defer talk.Wait()
		defer hangUp()
		tr := startTraffic(t, s.address, visitors)
		tr.goesOn(2)
		// everybody waits until every connection has been used, and every client come back, after what was done before.
		everybody := func() {
			t.Helper()
			before := make([]int64, len(open))
			for i, c := range open {
				before[i] = c.echoes.Load()
			}
			tr.goesOn(2)
			eventually(t, patience, "every open connection is in use", func() bool {
				for i, c := range open {
					if c.echoes.Load() < before[i]+2 && !t.Failed() {
						return false
					}
				}
				return true
			})
		}
		hups := map[string]int{}
		hup := func(says string) {
			t.Helper()
			hups[says]++
			s.signal(syscall.SIGHUP)
			eventually(t, patience, fmt.Sprintf("pen has answered HUP with %q", says), func() bool { return strings.Count(s.log.String(), says) >= hups[says] })
		}
		// settled is where each client is, once all that was under way is over.
		settled := func() (at [][]string) {
			t.Helper()
			tr.goesOn(2)
			from := tr.now()
			everybody()
			return tr.since(from)
		}
		home := settled()
		for n := range rounds {
			for _, bad := range []struct {
				says string
				make func()
			}{
				{"pen.conf:2", func() { write("no server 0\nserver 1 adress 127.0.0.1\n" + all) }},
				{"no such file", func() { _ = os.Remove(file) }},
			} {
				from := tr.now()
				bad.make()
				hup(bad.says)
				everybody()
				for i, names := range tr.since(from) {
					if len(names) != 1 || names[0] != home[i][0] {
						t.Errorf("client %d of %v is led to %v while a bad file is refused", i, home[i], names)
					}
				}
			}
			// One goes, and the one that went before comes back.
			gone, from := n%servers, tr.now()
			write(lines(func(i int) bool { return i != gone }))
			hup("reloaded")
			at := settled()
			for i, names := range tr.since(from) {
				for _, name := range names {
					if was := home[i][0]; name != was && was != string(rune('a'+gone)) {
						t.Errorf("client %d was at %s and is led to %v, and the server that went is %c", i, was, names, 'a'+gone)
						break
					}
				}
				if len(at[i]) != 1 || at[i][0] == string(rune('a'+gone)) {
					t.Errorf("client %d is led to %v, and %c has gone", i, at[i], 'a'+gone)
				}
			}
			if t.Failed() {
				break
			}
			home = at
		}
		tr.end()
		hangUp()
		talk.Wait()
		var echoes int64
		for _, c := range open {
			echoes += c.echoes.Load()
			c.Close()
		}
		shown(t, "%s: %d times HUP with a broken, a missing and a file that removes a server and adds one, %d connections open and in use: none lost, %d exchanges on them; %d new connections, none failed, no client of a surviving server moved",
			poller, rounds, talkers, echoes, total(tr.now()))
	})
}
