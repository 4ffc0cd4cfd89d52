package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBudget(t *testing.T) {
	// Two loops and one server: 16 + 2*6 + 1 = 29 descriptors beside the traffic.
	tests := []struct {
		flags        string
		nofile       uint64
		conns, pipes int
		descriptors  uint64
		notice       string
	}{
		{"", 20000, 500, 128, 1000 + 256 + 29, ""},
		{"", 1285, 500, 128, 1285, ""},
		{"", 1284, 500, 127, 1283, "pipes lowered from 128 to 127: the limit is 1284 descriptors (ulimit -n)"},
		{"", 1202, 500, 86, 1201, "pipes lowered from 128 to 86: the limit is 1202 descriptors (ulimit -n)"},
		{"", 1026, 436, 62, 1025, "max-conns lowered from 500 to 436, pipes lowered from 128 to 62: the limit is 1026 descriptors (ulimit -n)"},
		{"", 66, 16, 2, 65, "max-conns lowered from 500 to 16, pipes lowered from 128 to 2: the limit is 66 descriptors (ulimit -n)"},
		{"", 31, 1, 0, 31, "max-conns lowered from 500 to 1, pipes lowered from 128 to 0: the limit is 31 descriptors (ulimit -n)"},
		{"--splice never", 1541, 500, 0, 1029, ""},
		{"--splice never", 66, 18, 0, 65, "max-conns lowered from 500 to 18: the limit is 66 descriptors (ulimit -n)"},
		{"--check off", 66, 17, 2, 66, "max-conns lowered from 500 to 17, pipes lowered from 128 to 2: the limit is 66 descriptors (ulimit -n)"},
		{"--pipes 8", 66, 10, 8, 65, "max-conns lowered from 500 to 10: the limit is 66 descriptors (ulimit -n)"},
		{"-x 18", 66, 18, 0, 65, "pipes lowered from 128 to 0: the limit is 66 descriptors (ulimit -n)"},
		{"-x 10", 66, 10, 8, 65, "pipes lowered from 128 to 8: the limit is 66 descriptors (ulimit -n)"},
		{"-x 10 --pipes 8", 66, 10, 8, 65, ""},
		{"-l /var/log/pen", 20000, 500, 128, 1000 + 256 + 29 + 2, ""},
		{"-C 8888", 20000, 500, 128, 1000 + 256 + 29 + 257, ""},
		{"-C 8888", 1026, 380, 54, 760 + 108 + 29 + 129, "max-conns lowered from 500 to 380, pipes lowered from 128 to 54: the limit is 1026 descriptors (ulimit -n)"},
		{"-x 9000", 20000, 9000, 128, 18000 + 256 + 29, ""},
	}
	for _, test := range tests {
		b, err := parse(t, test.flags+" 80 10.0.0.1").budget(test.nofile, 2, 0)
		if err != nil || b.MaxConns != test.conns || b.Pipes != test.pipes || b.Descriptors != test.descriptors || b.Notice != test.notice {
			t.Errorf("%q with %d: got %d connections, %d pipes, %d descriptors, %q, %v\nwant %+v",
				test.flags, test.nofile, b.MaxConns, b.Pipes, b.Descriptors, b.Notice, err, test)
		}
	}
}

func TestBudgetRefuses(t *testing.T) {
	tests := []struct {
		flags  string
		nofile uint64
		want   string
	}{
		{"-x 50000", 20000, "-x 50000 needs 100000 + 256 + 29 = 100285 descriptors, the limit is 20000: raise it (ulimit -n) or use -x 9857"},
		{"-x 19", 66, "-x 19 needs 38 + 256 + 29 = 323 descriptors, the limit is 66: raise it (ulimit -n) or use -x 16"},
		{"-x 11 --pipes 8", 66, "-x 11 needs 22 + 16 + 29 = 67 descriptors, the limit is 66: raise it (ulimit -n) or use -x 10"},
		{"-x 11 --pipes 20", 66, "-x 11 needs 22 + 40 + 29 = 91 descriptors, the limit is 66: raise it (ulimit -n) or lower --pipes"},
		{"--pipes 20", 66, "-x 500 needs 1000 + 40 + 29 = 1069 descriptors, the limit is 66: raise it (ulimit -n) or lower --pipes"},
		{"", 30, "-x 500 needs 1000 + 256 + 29 = 1285 descriptors, the limit is 30: raise it (ulimit -n)"},
		{"", 0, "-x 500 needs 1000 + 256 + 28 = 1284 descriptors, the limit is 0: raise it (ulimit -n)"},
	}
	for _, test := range tests {
		b, err := parse(t, test.flags+" 80 10.0.0.1").budget(test.nofile, 2, 0)
		if b != (Budget{}) || ExitCode(err) != 1 || err.Error() != test.want {
			t.Errorf("%q with %d:\ngot  %v\nwant %s", test.flags, test.nofile, err, test.want)
		}
	}
}

// TestBudgetAdvice takes the error at its word: the -x it names fits, and one more does not.
func TestBudgetAdvice(t *testing.T) {
	for nofile := uint64(64); nofile < 5000; nofile += 37 {
		lowered, err := parse(t, "80 10.0.0.1").budget(nofile, 3, 0)
		if err != nil {
			t.Fatalf("limit %d: %v", nofile, err)
		}
		if lowered.Descriptors > nofile || lowered.MaxConns < 1 {
			t.Errorf("limit %d: %d descriptors for %d connections", nofile, lowered.Descriptors, lowered.MaxConns)
		}
		_, err = parse(t, "-x 9999999 80 10.0.0.1").budget(nofile, 3, 0)
		if err == nil {
			t.Fatalf("limit %d holds 9999999 connections", nofile)
		}
		_, advice, _ := strings.Cut(err.Error(), "or use ")
		if advised, err := parse(t, advice+" 80 10.0.0.1").budget(nofile, 3, 0); err != nil || advised.Descriptors > nofile {
			t.Errorf("limit %d: %q does not fit: %+v, %v", nofile, advice, advised, err)
		}
	}
}

// Health checks may claim an eighth of the limit, whatever the number of servers.
func TestBudgetOfManyServers(t *testing.T) {
	servers := strings.Repeat(" 10.0.0.1", 1000)
	b, err := parse(t, "-e 10.0.0.2 80"+servers).budget(20000, 2, 0)
	if want := uint64(1000 + 256 + 16 + 12 + 1001); err != nil || b.Descriptors != want {
		t.Errorf("got %d descriptors, %v; want %d", b.Descriptors, err, want)
	}
	b, err = parse(t, "80"+servers).budget(64, 2, 0)
	if err != nil || b.MaxConns < 1 || b.Descriptors > 64 {
		t.Errorf("with 64 descriptors: %+v, %v", b, err)
	}
}

// The page may claim an eighth of the limit, and no more than it serves at once.
func TestBudgetOfThePage(t *testing.T) {
	for nofile, conns := range map[uint64]int{20000: 1280, 1024: 128, 100: 12} {
		without, err := parse(t, "80 10.0.0.1").budget(nofile, 2, 0)
		with, failed := parse(t, "--web 81 80 10.0.0.1").budget(nofile, 2, 0)
		if err != nil || failed != nil || without.WebConns != 0 || with.WebConns != conns || with.Descriptors > nofile {
			t.Errorf("limit %d: %+v, %v; with a page %+v, %v", nofile, without, err, with, failed)
		}
		if nofile == 20000 && with.Descriptors != without.Descriptors+1+1280 {
			t.Errorf("%d descriptors, %d without a page", with.Descriptors, without.Descriptors)
		}
	}
}

func TestBudgetPlan(t *testing.T) {
	tests := []struct {
		flags string
		quota int64
		want  string
	}{
		{"", 64 << 20, "plan: 2 loops, cpus unpinned, 500 connections, 1285 of 20000 descriptors, 128 pipes of 512 KiB (64 MiB of pipe-user-pages-soft 64 MiB), client table 2048 slots 160 KiB, memory at most 96.6 MiB (33.9 MiB while all are idle)"},
		{"--cpus 0-1 -x 1 --pipes 1 --pipe-size 4k -c 1", 0, "plan: 2 loops, cpus 0-1, 1 connection, 33 of 20000 descriptors, 1 pipe of 4 KiB (4 KiB), client table 1 slot 80 B, memory at most 33.4 MiB (33.3 MiB while all are idle)"},
		{"--cpus auto --splice never -c 1000000", 64 << 20, "plan: 2 loops, cpus auto, 500 connections, 1029 of 20000 descriptors, no pipes, client table 1000000 slots 76.3 MiB, memory at most 172.7 MiB (110.1 MiB while all are idle)"},
		{"--pipe-size 1m --pipes 1500", 64 << 20, "plan: 2 loops, cpus unpinned, 500 connections, 4029 of 20000 descriptors, 1500 pipes of 1 MiB (1.5 GiB of pipe-user-pages-soft 64 MiB), client table 2048 slots 160 KiB, memory at most 96.6 MiB (34 MiB while all are idle)"},
	}
	for _, test := range tests {
		b, err := parse(t, test.flags+" 80 10.0.0.1").budget(20000, 2, test.quota)
		if err != nil || b.String() != test.want {
			t.Errorf("%q:\ngot  %s %v\nwant %s", test.flags, b, err, test.want)
		}
	}
}

func TestBudgetReadsTheQuota(t *testing.T) {
	b, err := parse(t, "80 10.0.0.1").Budget(20000, 2)
	if want := pipeQuota("/proc/sys/fs/pipe-user-pages-soft"); err != nil || b.PipeQuota != want {
		t.Errorf("got %d, %v; want %d", b.PipeQuota, err, want)
	}
	path := filepath.Join(t.TempDir(), "pages")
	for text, want := range map[string]int64{"16384\n": 16384 * int64(os.Getpagesize()), "0\n": 0, "-1\n": 0, "many\n": 0} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := pipeQuota(path); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
	if got := pipeQuota(path + ".none"); got != 0 {
		t.Errorf("without the file: %d", got)
	}
}
