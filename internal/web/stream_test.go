package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// watch opens the stream and returns what reads one sample.
func watch(t *testing.T, base string) (next func() Figures, leave func()) {
	t.Helper()
	resp, err := http.Get(base + "/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	lines := bufio.NewReader(resp.Body)
	return func() (f Figures) {
		t.Helper()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				if err := json.Unmarshal([]byte(data), &f); err != nil {
					t.Fatal(err)
				}
				return f
			}
		}
	}, func() { resp.Body.Close() }
}

func TestStreamFollowsTheWorld(t *testing.T) {
	f := newFarm()
	base, _ := open(t, f, "", 10)
	if f.sampled() != 0 {
		t.Error("sampled with nobody at the window")
	}
	next, leave := watch(t, base)
	defer leave()
	if got := next(); got.Totals.Connections != 3 || len(got.Servers) != 4 {
		t.Errorf("first sample: %+v", got)
	}
	f.change(func(v *Figures) { v.Totals.Connections = 9 })
	for next().Totals.Connections != 9 {
	}
}

// All viewers are told the same sample, and nobody is sampled for once they are gone.
func TestOneSampleForAll(t *testing.T) {
	var samples atomic.Int64
	b := newBroadcaster(func() []byte { return fmt.Append(nil, samples.Add(1)) }, 5*time.Millisecond, 1000)
	defer b.close()
	var all []chan []byte
	for range 1000 {
		to := b.join()
		if to == nil {
			t.Fatal("refused")
		}
		all = append(all, to)
	}
	if b.join() != nil {
		t.Error("one too many may join")
	}
	for _, to := range all {
		<-to
	}
	if n := samples.Load(); n > 500 {
		t.Errorf("%d samples for a thousand viewers", n)
	}
	for _, to := range all {
		b.leave(to)
	}
	b.running.Wait() // the sampler ends by itself
	n := samples.Load()
	to := b.join() // and begins again
	<-to
	if samples.Load() <= n {
		t.Error("no new sample for a new viewer")
	}
	b.leave(to)
}

// A viewer that does not read keeps nobody waiting and gets a sample that is not the newest.
func TestSlowViewerMissesSamples(t *testing.T) {
	told := make(chan int, 1000)
	n := 0
	b := newBroadcaster(func() []byte { n++; told <- n; return fmt.Append(nil, n) }, time.Millisecond, 2)
	defer b.close()
	slow, quick := b.join(), b.join()
	for range 50 {
		<-told
		<-quick
	}
	if got := string(<-slow); got != "1" && got != "2" {
		t.Errorf("the sample kept for it is %s", got)
	}
}

func TestTooManyViewers(t *testing.T) {
	base, s := open(t, newFarm(), "", 5) // 4 of them may watch
	for range 4 {
		next, leave := watch(t, base)
		defer leave()
		next()
	}
	status, text := get(t, base+"/api/v1/events")
	if status != http.StatusServiceUnavailable || !strings.Contains(text, "4 are watching") {
		t.Errorf("%d %s", status, text)
	}
	if status, _ := get(t, base+"/readyz"); status != 200 { // there is a place left for that
		t.Errorf("readyz: %d", status)
	}
	if s.stream.watched() != 4 {
		t.Errorf("%d viewers", s.stream.watched())
	}
}

// The listener serves as many as it may and lets the others wait until a place is free.
func TestConnectionsAreBounded(t *testing.T) {
	base, s := open(t, newFarm(), "", 2)
	address := strings.TrimPrefix(base, "http://")
	var idle []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		idle = append(idle, c)
	}
	places := s.listener.(*limited).places
	for deadline := time.Now().Add(5 * time.Second); len(places) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the two are not accepted")
		}
	}
	third, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if _, err := third.Write([]byte("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	_ = third.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := third.Read(make([]byte, 1)); err == nil {
		t.Fatal("the third is served beside the two")
	}
	idle[0].Close()
	_ = third.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := third.Read(make([]byte, 1)); err != nil {
		t.Errorf("the third is not served when a place is free: %v", err)
	}
}
