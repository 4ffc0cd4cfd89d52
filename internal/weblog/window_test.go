package weblog

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// naiveWindow is the window of Debian's mergelogs: the list of lines read so far, less those dropped from its beginning.
type naiveWindow struct {
	naive
	unread []naiveRecord
	jitter int64
	last   int64 // the time of the line read last
}

func (w *naiveWindow) find(server, request string, at int64) string {
	for len(w.records) > 0 && w.records[0].time < at-w.jitter {
		w.records = w.records[1:]
	}
	for len(w.unread) > 0 && w.last <= at+w.jitter {
		w.records = append(w.records, w.unread[0])
		w.last = w.unread[0].time
		w.unread = w.unread[1:]
	}
	return w.nearest(server, request, at)
}

// Pen's log is found to say what a search of it would, however its times and those that are asked for jump about: within the window, and without one.
func TestTheWindowIsASearch(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 11))
		wanted := requests()[:2+rng.IntN(20)]
		servers := []string{"10.0.0.1", "::1", "www"}[:1+rng.IntN(3)]
		disorder, span := []int64{0, 0, 1, 6}[rng.IntN(4)], []int64{10, 100}[rng.IntN(2)]
		model := &naiveWindow{jitter: rng.Int64N(20)}
		var text strings.Builder
		for i := range 300 {
			rec := naiveRecord{int64(i)*span/300 - rng.Int64N(disorder+1) + 1_000, fmt.Sprint("c", i), servers[rng.IntN(len(servers))], wanted[rng.IntN(len(wanted))]}
			fmt.Fprintf(&text, "%s %d %s %s\n", rec.client, rec.time, rec.server, rec.wanted)
			rec.wanted = rec.wanted[:min(len(rec.wanted), requestLimit)]
			model.unread = append(model.unread, rec)
		}
		all := &naive{records: model.unread}
		path := write(t, "pen.log", text.String())
		log, err := openLog(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := openLog(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		w := newWindow(log, model.jitter)
		scan, err := newRescan(again)
		if err != nil {
			t.Fatal(err)
		}
		for i := range int64(300) {
			at := i*(span+30)/300 - rng.Int64N(disorder+1) + 985
			server, request := servers[rng.IntN(len(servers))], wanted[rng.IntN(len(wanted))]
			if got, want := string(w.find([]byte(server), []byte(request), at)), model.find(server, request, at); got != want {
				t.Fatalf("seed %d, at %d: %q, want %q", seed, at, got, want)
			}
			if i%10 > 0 {
				continue
			}
			if got, want := string(scan.find([]byte(server), []byte(request), at)), all.nearest(server, request, at); got != want {
				t.Fatalf("seed %d, at %d, in the whole: %q, want %q", seed, at, got, want)
			}
		}
		log.close()
		again.close()
	}
}

// A request that is made all the time takes one record a second.
func TestTheWindowKeepsNoRepeats(t *testing.T) {
	log, err := openLog(write(t, "pen.log", strings.Repeat(pen("c", 0, "s", "X")+pen("c", 0, "s", "Y"), 500)+pen("c", 1, "s", "X")), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.close()
	w := newWindow(log, 10)
	if w.find([]byte("s"), []byte("X"), 1_700_000_000); w.recent.count != 3 {
		t.Errorf("%d records, want 3", w.recent.count)
	}
}

// What an hour more of pen's log at the beginning costs is bounded, and what a line may still find of it is as with Debian's: records too old for the jitter, but read for this line.
func TestTheWindowForgetsWhatIsStale(t *testing.T) {
	const lines = staleRecords + 2000
	var b strings.Builder
	for i := range lines {
		b.WriteString(pen(fmt.Sprint("c", i), i-2*lines, "s", fmt.Sprint("GET /", i)))
	}
	log, err := openLog(write(t, "pen.log", b.String()), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.close()
	w := newWindow(log, 10)
	find := func(i int) string { return string(w.find([]byte("s"), fmt.Append(nil, "GET /", i), 1700000000)) }
	if client := find(lines - 1); client != fmt.Sprint("c", lines-1) || w.recent.count != staleRecords {
		t.Errorf("client %q, %d records held, want %d", client, w.recent.count, staleRecords)
	}
	if client := find(lines - 1); client != "" || w.recent.count != 0 {
		t.Errorf("next time: client %q, %d records held", client, w.recent.count)
	}
}
