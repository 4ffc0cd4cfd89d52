package probe

import (
	"context"
	"fmt"
	"math"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pen/internal/backend"
)

const (
	interval = 10 * time.Millisecond
	ever     = math.MaxInt64 // a time that does not come, unix ns
)

var ask = Check{Kind: HTTP, Path: "/"}

func TestDeadAtStartThenAlive(t *testing.T) {
	slots, log := backend.NewSlots(), newJournal()
	server := newBound(t)
	target, slot := claim(t, slots, "www1", "tcp", server.address)
	if down(slot) {
		t.Fatal("down before any check")
	}
	start(t, Config{Interval: interval, Timeout: patience, Rise: 2, Fall: 3, Log: log.log()}, slots, target)

	line := log.await(t, "server down", 1)
	if want := "connect " + server.address + ": connection refused"; line["server"] != "www1" || line["reason"] != want || line["checks"] != 3.0 || line["level"] != "WARN" {
		t.Errorf("log says %v, want www1, %q, 3 checks, WARN", line, want)
	}
	if !down(slot) {
		t.Error("up after the log says down")
	}
	server.listen(t, 128)
	line = log.await(t, "server up", 1)
	if line["server"] != "www1" || line["checks"] != 2.0 || line["level"] != "INFO" {
		t.Errorf("log says %v, want www1, 2 checks, INFO", line)
	}
	if down(slot) {
		t.Error("down after the log says up")
	}
	if n := len(log.all("server down")); n != 1 {
		t.Errorf("%d lines say down, want one for one transition", n)
	}
}

// TestBlackHole: a server that never answers goes down by timeout, and does not hold up the checks of another.
func TestBlackHole(t *testing.T) {
	slots, log := backend.NewSlots(), newJournal()
	hole, _ := claim(t, slots, "hole", "tcp", blackHole(t))
	refuses, _ := claim(t, slots, "refuses", "tcp", newBound(t).address)
	start(t, Config{Interval: interval, Timeout: 200 * time.Millisecond, Rise: 1, Fall: 2, Log: log.log()}, slots, hole, refuses)
	if line := log.await(t, "server down", 1); line["server"] != "refuses" {
		t.Errorf("the first to go down is %v", line)
	}
	if line := log.await(t, "server down", 2); line["server"] != "hole" || line["reason"] != "connect "+hole.Address+": i/o timeout" {
		t.Errorf("log says %v, want a timeout of hole", line)
	}
}

func TestFlappingNeverTurnsEarly(t *testing.T) {
	slots, log, o := backend.NewSlots(), newJournal(), newOracle(t)
	target, slot := claim(t, slots, "www1", "tcp", o.address)
	p, _ := start(t, Config{Check: ask, Interval: interval, Timeout: patience, Rise: 2, Fall: 3, Log: log.log()}, slots, target)
	q := o.next(t)
	for step, s := range []struct {
		status int
		down   bool
	}{
		{503, false}, {503, false}, {200, false}, {503, false}, {404, false}, {302, false}, {500, false}, {200, false},
		{503, false}, {503, false}, {503, true},
		{503, true}, {200, true}, {503, true}, {200, true}, {503, true}, {200, true},
		{200, false}, {503, false}, {200, false},
	} {
		q = o.answers(t, q, s.status)
		if down(slot) != s.down {
			t.Fatalf("step %d, status %d: down %v, want %v", step, s.status, down(slot), s.down)
		}
	}
	if d, u := len(log.all("server down")), len(log.all("server up")); d != 1 || u != 1 {
		t.Errorf("%d lines say down and %d up, want one each", d, u)
	}
	if got := p.Tally(target.ID); got.Passed != 8 || got.Failed != 12 || got.Void != 0 || got.Last <= 0 || got.Last > patience {
		t.Errorf("20 checks, 8 of them passed: %+v", got)
	}
}

func TestPassEndsShunNeverBan(t *testing.T) {
	slots, log, o := backend.NewSlots(), newJournal(), newOracle(t)
	target, slot := claim(t, slots, "www1", "tcp", o.address)
	start(t, Config{Check: ask, Interval: interval, Timeout: patience, Rise: 9, Fall: 2, Log: log.log()}, slots, target)
	q := o.next(t)
	slot.Shun(ever)
	slot.Ban(ever)

	q = o.answers(t, q, 503)
	if h := slot.Health(1); !h.Shunned || !h.Banned {
		t.Errorf("a failure gives %+v, want still shunned and banned", h)
	}
	q = o.answers(t, q, 200)
	if h := slot.Health(1); h != (backend.Health{Banned: true}) {
		t.Errorf("a pass gives %+v, want banned only", h)
	}
	if line := log.await(t, "blacklist cleared by a passing check", 1); line["server"] != "www1" {
		t.Errorf("log says %v", line)
	}
	// Every passing check counts, also one that is not yet enough to bring the server up.
	q = o.answers(t, q, 503, 503)
	slot.Shun(ever)
	q = o.answers(t, q, 200)
	if h := slot.Health(1); h != (backend.Health{Banned: true, ProbeDown: true}) {
		t.Errorf("a pass of a down server gives %+v, want banned and down", h)
	}
	o.answers(t, q, 200)
	if n := len(log.all("blacklist cleared by a passing check")); n != 2 {
		t.Errorf("%d lines say that a blacklisting ended, want 2", n)
	}
}

func TestWatchKeepsStreaks(t *testing.T) {
	slots, log, o := backend.NewSlots(), newJournal(), newOracle(t)
	stays, slot := claim(t, slots, "stays", "tcp", o.address)
	other, _ := claim(t, slots, "other", "tcp", newBound(t).address)
	p, _ := start(t, Config{Check: ask, Interval: interval, Timeout: patience, Rise: 1, Fall: 3, Log: log.log()}, slots, stays)

	q := o.answers(t, o.next(t), 503, 503)
	stays.Name = "renamed"
	p.Watch([]Target{other, stays, other, stays})
	log.await(t, "server down", 1) // other: the new set is in force
	q = o.answers(t, q, 503)
	if !down(slot) {
		t.Error("up after 2 failures before Watch and 1 after it, want down")
	}
	if line := log.await(t, "server down", 2); line["server"] != "renamed" || line["checks"] != 3.0 {
		t.Errorf("log says %v, want renamed, 3 checks", line)
	}
	p.Watch([]Target{stays})
	q = o.answers(t, q, 503)
	if q.host != "renamed" || !down(slot) {
		t.Errorf("asked for %q, down %v; want renamed, still down", q.host, down(slot))
	}
}

// TestWatchDropsAndNeverChecksTwice: a server that goes and comes back starts afresh, but not while the old check is still in flight, and that one no longer counts.
func TestWatchDropsAndNeverChecksTwice(t *testing.T) {
	slots, o := backend.NewSlots(), newOracle(t)
	a, slot := claim(t, slots, "a", "tcp", o.address)
	b, _ := claim(t, slots, "b", "tcp", o.address)
	p, _ := start(t, Config{Check: ask, Interval: interval, Timeout: patience, Rise: 1, Fall: 2}, slots, a)

	old := o.answers(t, o.next(t), 503)
	p.Watch([]Target{b})
	q := o.next(t) // of b: the set without a is in force
	p.Watch([]Target{a, b})
	for range 10 {
		if q.host != "b" {
			t.Fatalf("%s is asked while its last check is in flight", q.host)
		}
		q = o.answers(t, q, 200)
	}
	if q.host != "b" {
		t.Fatalf("%s is asked while its last check is in flight", q.host)
	}
	p.Watch([]Target{a})
	q.answer <- 200
	old.answer <- 503
	q = o.next(t)
	if q.host != "a" || down(slot) {
		t.Fatalf("asked for %s, down %v; want a, up: the second failure belongs to the watch that went", q.host, down(slot))
	}
	o.answers(t, q, 503)
	if down(slot) {
		t.Error("down after one failure of the new watch")
	}
}

func TestDroppedOrMovedServerIsUp(t *testing.T) {
	slots, log, o := backend.NewSlots(), newJournal(), newOracle(t)
	goes, first := claim(t, slots, "goes", "tcp", newBound(t).address)
	moves, second := claim(t, slots, "moves", "tcp", newBound(t).address)
	p, _ := start(t, Config{Check: ask, Interval: interval, Timeout: patience, Rise: 100, Fall: 1, Log: log.log()}, slots, goes, moves)
	log.await(t, "server down", 2)
	moves.Address = o.address
	p.Watch([]Target{moves})
	until(t, "a server that nobody checks is up", func() bool { return !down(first) })
	until(t, "a server at a new address is up", func() bool { return !down(second) })
	q := o.answers(t, o.next(t), 200)
	if down(second) {
		t.Error("down at the new address without a failure there")
	}
	o.answers(t, q, 503)
	if !down(second) {
		t.Error("up after a failure at the new address")
	}
}

func TestWatchFromManyGoroutines(t *testing.T) {
	slots, log := backend.NewSlots(), newJournal()
	server := newBound(t)
	var all []Target
	for i := range 50 {
		target, _ := claim(t, slots, fmt.Sprint(i), "tcp", server.address)
		all = append(all, target)
	}
	p, _ := start(t, Config{Interval: time.Millisecond, Timeout: patience, Rise: 1, Fall: 1, Log: log.log()}, slots)
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for j := range 100 {
				p.Watch(all[(i*j)%40 : 40])
			}
		})
	}
	callers.Wait()
	p.Watch(all[49:])
	until(t, "the last set is in force", func() bool { return down(slots.Get(all[49].ID)) })
	until(t, "the sets before it are not", func() bool {
		for _, target := range all[:49] {
			if down(slots.Get(target.ID)) {
				return false
			}
		}
		return true
	})
}

// TestMaxChecks: thousands of servers are due and all of them hang: MaxChecks are asked, with one goroutine each, and the next as each of those ends.
func TestMaxChecks(t *testing.T) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	slots := backend.NewSlots()
	var targets []Target
	for i := range 3000 {
		target, _ := claim(t, slots, fmt.Sprint(i), "tcp", ln.Addr().String())
		targets = append(targets, target)
	}
	before := runtime.NumGoroutine()
	start(t, Config{Check: ask, Interval: time.Millisecond, Timeout: time.Minute, Rise: 1, Fall: 1}, slots, targets...)

	for range 3 {
		var held []net.Conn
		for len(held) < MaxChecks {
			ln.SetDeadline(time.Now().Add(patience))
			conn, err := ln.Accept()
			if err != nil {
				t.Fatalf("after %d checks in flight: %v", len(held), err)
			}
			held = append(held, conn)
		}
		ln.SetDeadline(time.Now().Add(50 * time.Millisecond))
		if conn, err := ln.Accept(); err == nil {
			conn.Close()
			t.Errorf("check %d is in flight, want at most %d", MaxChecks+1, MaxChecks)
		}
		until(t, "one goroutine for Run and one for each check", func() bool { return runtime.NumGoroutine() <= before+1+MaxChecks })
		for _, conn := range held {
			conn.Close()
		}
	}
}

func TestRunEndsChecksInFlight(t *testing.T) {
	slots, log, o := backend.NewSlots(), newJournal(), newOracle(t)
	asked, slot := claim(t, slots, "asked", "tcp", o.address)
	hole, holeSlot := claim(t, slots, "hole", "tcp", blackHole(t))
	_, stop := start(t, Config{Check: ask, Interval: interval, Timeout: time.Hour, Rise: 1, Fall: 1, Log: log.log()}, slots, hole, asked)
	o.next(t)
	stop()
	if down(slot) || down(holeSlot) || len(log.all("server down")) > 0 {
		t.Error("a check that ended with the prober takes a server down")
	}
}

// TestCheckCutShortByTheEndIsVoid plays Run's part: whether Run sees a cut-off check's result before it sees the end is chance.
func TestCheckCutShortByTheEndIsVoid(t *testing.T) {
	slots := backend.NewSlots()
	target, slot := claim(t, slots, "www1", "tcp", "127.0.0.1:1")
	p := New(Config{Fall: 1}, slots)
	p.adopt([]Target{target})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p.settle(ctx, result{watch: p.watched[target.ID], err: context.Canceled})
	if down(slot) {
		t.Error("a check that the end cut short takes a server down")
	}
}

// TestOneIDIsQueuedOnce plays Run's part: twice in the queue would be twice in flight.
func TestOneIDIsQueuedOnce(t *testing.T) {
	slots := backend.NewSlots()
	a, _ := claim(t, slots, "a", "tcp", "127.0.0.1:1")
	b := a
	b.Address = "127.0.0.1:2"
	p := New(Config{}, slots)
	for range 3 {
		p.adopt([]Target{a, b, a})
		if len(p.queue) != 1 || p.queue[0].Address != a.Address || p.watched[a.ID] != p.queue[0] {
			t.Fatalf("queue of %d, want one entry, of the first target", len(p.queue))
		}
	}
}

// TestFirstChecksAreSpread plays Run's part. FIELD.md 12: a start or a reload must not hit all servers at once, and servers that stay keep their turn.
func TestFirstChecksAreSpread(t *testing.T) {
	slots := backend.NewSlots()
	var targets []Target
	for i := range 1000 {
		target, _ := claim(t, slots, fmt.Sprint(i), "tcp", "127.0.0.1:1")
		targets = append(targets, target)
	}
	p := New(Config{Interval: time.Hour}, slots)
	began := time.Now()
	p.adopt(targets)
	ended := time.Now()
	var quarters [4]int
	dues := map[backend.ID]time.Time{}
	for _, w := range p.queue {
		if w.due.Before(began) || w.due.After(ended.Add(time.Hour)) {
			t.Fatalf("first check due %v after the start, want within an interval", w.due.Sub(began))
		}
		quarters[min(3, w.due.Sub(began)/(15*time.Minute))]++
		dues[w.ID] = w.due
	}
	for i, n := range quarters {
		if n < 150 { // 250 expected, standard deviation 14
			t.Errorf("%d of 1000 first checks in quarter %d of the interval, want about 250", n, i)
		}
	}
	p.adopt(targets[:500])
	for i, w := range p.queue {
		if w.due != dues[w.ID] {
			t.Fatalf("server %s loses its turn to a reload", w.Name)
		}
		if i > 0 && w.due.Before(p.queue[0].due) {
			t.Fatal("the first in the queue is not the first due")
		}
	}
}

func TestOffAsksNobody(t *testing.T) {
	slots := backend.NewSlots()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	silent, _ := claim(t, slots, "silent", "tcp", ln.Addr().String())
	_, stop := start(t, Config{Check: Check{Kind: Off}, Interval: time.Millisecond}, slots, silent)

	// Another prober with the same interval tells when there would have been a good many checks.
	o := newOracle(t)
	other, _ := claim(t, slots, "other", "tcp", o.address)
	start(t, Config{Check: ask, Interval: time.Millisecond, Timeout: patience}, slots, other)
	o.answers(t, o.next(t), 200, 200, 200, 200, 200, 200, 200, 200, 200, 200)
	stop()
	ln.SetDeadline(time.Now().Add(time.Millisecond))
	if conn, err := ln.Accept(); err == nil {
		conn.Close()
		t.Error("a server is asked")
	}
}

// TestLocalTroubleIsVoid: without descriptors no server can be asked, so none goes down, and the log says so once an interval, not once a check.
func TestLocalTroubleIsVoid(t *testing.T) {
	slots, log := backend.NewSlots(), newJournal()
	server := newBound(t)
	var targets []Target
	for i := range 40 {
		target, _ := claim(t, slots, fmt.Sprint(i), "tcp", server.address)
		targets = append(targets, target)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}
	defer restore()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}

	const interval = 100 * time.Millisecond
	began := time.Now()
	p, _ := start(t, Config{Interval: interval, Timeout: patience, Rise: 1, Fall: 1, Log: log.log()}, slots, targets...)
	const void = "checks void, the trouble is ours"
	first := log.await(t, void, 1)
	if reason := fmt.Sprint(first["reason"]); first["checks"] != 1.0 || !strings.HasSuffix(reason, "too many open files") {
		t.Errorf("log says %v, want 1 check, too many open files", first)
	}
	if later := log.await(t, void, 3); later["checks"].(float64) < 10 {
		t.Errorf("log says %v of 40 servers, want what came since the last line counted", later)
	}
	if n, most := len(log.all(void)), int(time.Since(began)/interval)+1; n > most {
		t.Errorf("%d lines, want at most %d", n, most)
	}
	voids := 0
	for _, target := range targets {
		got := p.Tally(target.ID)
		if voids += int(got.Void); got.Passed+got.Failed != 0 || got.Last != 0 {
			t.Errorf("checks that never were are counted: %+v", got)
		}
	}
	if voids < 10 {
		t.Errorf("%d void checks are counted", voids)
	}
	for _, target := range targets {
		if down(slots.Get(target.ID)) {
			t.Fatalf("server %s is down for our own trouble", target.Name)
		}
	}
	restore()
	log.await(t, "server down", len(targets))
}

func TestPause(t *testing.T) {
	for _, test := range []struct {
		doubted bool
		r       float64
		want    time.Duration
	}{
		{false, 0, 1800 * time.Millisecond},
		{false, 0.5, 2000 * time.Millisecond},
		{false, 1, 2200 * time.Millisecond},
		{true, 0, 450 * time.Millisecond},
		{true, 0.5, 500 * time.Millisecond},
		{true, 1, 550 * time.Millisecond},
	} {
		if got := pause(2*time.Second, test.doubted, test.r); got.Round(time.Microsecond) != test.want {
			t.Errorf("doubted %v, r %v: %v, want %v", test.doubted, test.r, got, test.want)
		}
	}
}

// TestDoubtIsQuick: while a streak runs, checks come at a quarter of the interval.
func TestDoubtIsQuick(t *testing.T) {
	const interval = 300 * time.Millisecond
	slots, o := backend.NewSlots(), newOracle(t)
	target, slot := claim(t, slots, "www1", "tcp", o.address)
	start(t, Config{Check: ask, Interval: interval, Timeout: patience, Rise: 1, Fall: 5}, slots, target)
	q := o.next(t)
	began := time.Now()
	q = o.answers(t, q, 503, 503, 503, 503)
	took := time.Since(began)
	if least, most := 4*pause(interval, true, 0), 4*pause(interval, false, 0); took < least || took >= most {
		t.Errorf("4 failures in a row take %v, want %v to %v", took, least, most)
	}
	o.answers(t, q, 503)
	if !down(slot) {
		t.Error("up after 5 failures")
	}
}

func TestNewRaisesWhatIsTooLow(t *testing.T) {
	slots := backend.NewSlots()
	p := New(Config{}, slots)
	if p.cfg.Interval < time.Millisecond || p.cfg.Timeout < time.Millisecond || p.cfg.Rise != 1 || p.cfg.Fall != 1 || p.cfg.Log == nil {
		t.Errorf("config %+v", p.cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p.Run(ctx)
}
