package control

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// PEN.md B3: a control client that says nothing freezes all.
func TestSilentClientsDoNotHoldUpOthers(t *testing.T) {
	p := open(t, farm(t, newWorld(), Config{}), "127.0.0.1:0", func(l *limits) { l.patience = 200 * time.Millisecond })
	for range maxClients {
		dialPort(t, p)
	}
	waitUntil(t, "the silent ones have all places", func() bool { return silent(p) == maxClients })
	equal(t, "one more", old(t, p, "timeout"), "3\n")
}

func TestSlowLinesEnd(t *testing.T) {
	p := open(t, farm(t, newWorld(), Config{}), "127.0.0.1:0", func(l *limits) { l.line = 100 * time.Millisecond })
	begun := time.Now()
	conn := dialPort(t, p)
	for i := 0; ; i++ {
		if _, err := io.WriteString(conn, "#"); err != nil { // the port has closed
			break
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatal("a client that sends a byte at a time is still served after 10 s")
		}
		time.Sleep(10 * time.Millisecond) // the client's pace
	}
	if took := time.Since(begun); took < 100*time.Millisecond {
		t.Errorf("closed after %v", took)
	}
}

func TestAThousandClientsAtOnce(t *testing.T) {
	p := open(t, farm(t, newWorld(), Config{}), "127.0.0.1:0", nil)
	var all sync.WaitGroup
	var mu sync.Mutex
	good := 0
	for range 1000 {
		all.Go(func() {
			var out, errs bytes.Buffer
			if status := Ctl([]string{p.Addr().String(), "timeout"}, &out, &errs); status == 0 && out.String() == "3\n" {
				mu.Lock()
				good++
				mu.Unlock()
			} else {
				t.Errorf("status %d, %q, %q", status, out.String(), errs.String())
			}
		})
	}
	all.Wait()
	if good != 1000 {
		t.Errorf("%d of 1000 were answered", good)
	}
}

func TestGarbageIsBounded(t *testing.T) {
	p := open(t, farm(t, newWorld(), Config{}), "127.0.0.1:0", nil)
	var before, after runtime.MemStats
	runtime.GC() // what the tests before have left; the peak, which depends on when the collector comes, is the end-to-end siege's to bound
	runtime.ReadMemStats(&before)
	for name, unit := range map[string]string{"one long line": strings.Repeat("x", 4096), "lines": strings.Repeat("garbage\n", 512), "zeros": string(make([]byte, 4096)), "ends of lines": strings.Repeat("\n", 4096)} {
		conn := dialPort(t, p)
		go io.Copy(io.Discard, conn)
		for range 10 << 20 / len(unit) {
			if _, err := io.WriteString(conn, unit); err != nil {
				break // closed by the port: as good as any
			}
		}
		conn.Close()
		equal(t, "after "+name, old(t, p, "timeout"), "3\n")
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapInuse > before.HeapInuse+8<<20 {
		t.Errorf("heap grew from %d to %d bytes", before.HeapInuse, after.HeapInuse)
	}
	// a long script is no garbage
	conn := dialPort(t, p)
	fmt.Fprint(conn, strings.Repeat("blacklist 30\n", 2)+strings.Repeat("no hash\n", 2*maxVain)+"timeout\n")
	conn.(*net.TCPConn).CloseWrite()
	script, err := io.ReadAll(conn)
	if equal(t, "script", string(script), "30\n30\n3\n"); err != nil {
		t.Error(err)
	}
	// the longest line is a command, one byte more is not
	longest := "blacklist " + strings.Repeat("0", maxLine-len("blacklist ")-1) + "7"
	equal(t, "longest line", old(t, p, longest), "7\n")
	conn = dialPort(t, p)
	fmt.Fprint(conn, "0"+longest+"\n")
	reply, _ := io.ReadAll(conn) // may end in a reset: there was more to read
	equal(t, "too long a line", string(reply), "line is too long\n")
}

// A client that does not read is closed, and meanwhile others are served.
func TestAReplyThatIsNotReadEnds(t *testing.T) {
	w := newWorld()
	w.page = strings.Repeat("x", 8*replyStep) // more than the kernel takes for one who does not read
	in := farm(t, w, Config{})
	do(t, in, "web_stats /tmp/x")
	// The others' short replies have this long too: on a machine that tests much at once a goroutine waits tens of milliseconds for a processor.
	p := open(t, in, "127.0.0.1:0", func(l *limits) { l.reply = 150 * time.Millisecond })
	var stuck []net.Conn
	for range largeReplies + 1 {
		conn := dialPort(t, p)
		fmt.Fprint(conn, "status\n")
		stuck = append(stuck, conn)
	}
	waitUntil(t, "the first of them are answered, one waits", func() bool { return len(p.large) == largeReplies && len(p.places) == largeReplies+1 })
	equal(t, "meanwhile", old(t, p, "timeout"), "3\n")
	waitUntil(t, "the port has given them up", func() bool { return len(p.places) == 0 })
	n, _ := io.Copy(io.Discard, stuck[0])
	if n >= int64(len(w.page)) {
		t.Errorf("all %d bytes came", n)
	}
}
