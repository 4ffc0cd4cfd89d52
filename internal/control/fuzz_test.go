package control

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// PEN.md B10: commands without their arguments crash Pen. Whatever comes, nothing crashes, the state stays one that may be published,
// what is in force can be written and read back, and nothing reaches a file.
func FuzzDo(f *testing.F) {
	for name := range words {
		f.Add(name + "\nno " + name + "\n" + name + " 1 2 3 4\n" + name + " x\nno " + name + " -1")
	}
	f.Add("server 3 address 10.0.0.1 port 80\nserver 4 address 10.0.0.1 port 80 blacklist 3 drain\nservers\nserver 3 address (unknown address family 0 port 0 max 3")
	f.Add("acl 1 permit ::/0\nclient_acl 1\nemergency [::1]:80:1:2:3:4\nemergency [\nabuse :::\nemergency ]:\ntrack_prefix 1/\nlisten [:\nlisten :")
	f.Add("server 1 address 10.0.0.1 port 80 name \xff\xfe\nserver 1 name a#2\nserver 2 address /a\nblacklist 1.\ntimeout .5\ntracking 99999999999999.9")
	f.Fuzz(func(t *testing.T, script string) {
		w := newWorld()
		in := farm(t, w, Config{Exit: true}, "10.0.0.1:80", "10.0.0.2:80")
		for i, line := range strings.Split(script, "\n") {
			if i == 50 {
				break
			}
			reply, err := in.Do(line, Network)
			if strings.Contains(reply, verdictMark) {
				t.Errorf("%q: the reply %q has the mark of the verdict in it", line, reply)
			}
			if err != nil && err.Error() == "" {
				t.Errorf("%q: an error without words", line)
			}
		}
		s := in.State()
		if err := s.Published().Validate(); err != nil {
			t.Errorf("the plan is invalid: %v", err)
		}
		readBack(t, w, s)
	})
}

// readBack has a state written and read, which makes it again.
func readBack(t *testing.T, w *fakeWorld, s State) {
	t.Helper()
	text, err := format(&s, func(int) bool { return false })
	if err != nil {
		t.Fatalf("what is in force cannot be written: %v", err)
	}
	blank := New(w, pens(), Config{})
	e := blank.edit(Trusted)
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if err := e.run(line); err != nil {
			t.Fatalf("line %d, %q: %v", i+1, line, err)
		}
	}
	if err := e.commit(); err != nil {
		t.Fatal(err)
	}
	same(t, blank.State(), s)
}

func FuzzAtoi(f *testing.F) {
	for _, text := range []string{"", "-", "+", "+-1", "12x", "007", "-2147483649", "99999999999999999999", " 1", "1 "} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := atoi(text)
		if back, again := atoi(fmt.Sprint(n)); again != nil || back != n {
			t.Errorf("%q is %d, which is %d, %v", text, n, back, again)
		}
		if d, err := seconds(text); err == nil {
			if back, again := seconds(formatSeconds(d)); again != nil || back != d {
				t.Errorf("%q is %v, which is %v, %v", text, d, back, again)
			}
		}
		if err == nil && strings.Trim(text, "+-0123456789") != "" {
			t.Errorf("%q is a number", text)
		}
	})
}

// Commands from everywhere at once: every state applied was valid, and none was lost.
func TestCommandsAtOnce(t *testing.T) {
	w := newWorld()
	in := farm(t, w, Config{Dirs: []string{os.TempDir()}}, "10.0.0.1:80", "10.0.0.2:80")
	path := filepath.Join(t.TempDir(), "w")
	good, bad := file(t, "server 1 max 5", "acl 1 deny 10.0.0.9"), file(t, "server 1 max 9", "frob")
	const rounds = 50
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range rounds {
				do(t, in, fmt.Sprintf("server %d address 10.1.%d.%d port 80", 2+i, i, n), fmt.Sprintf("acl %d deny 10.1.1.1", 2+i), "servers", "recent", "mode")
			}
		})
		all.Go(func() {
			for range rounds {
				if err := in.Load(good); err != nil {
					t.Error(err)
				}
				if err := in.Load(bad); err == nil {
					t.Error("a bad file is loaded")
				}
				s := in.State()
				if s.Plan.Servers[1].Soft != 0 && s.Plan.Servers[1].Soft != 5 {
					t.Errorf("server 1 has max %d, of a file that is bad", s.Plan.Servers[1].Soft)
				}
			}
		})
	}
	all.Wait()
	do(t, in, "write "+path)
	s := in.State()
	for i := range 4 {
		if n := len(s.Plan.Lists.Entries(2 + i)); n != rounds {
			t.Errorf("list %d has %d entries, want %d", 2+i, n, rounds)
		}
		equal(t, "server", s.Plan.Servers[2+i].Name, fmt.Sprintf("10.1.%d.%d:80", i, rounds-1))
	}
}

// A file is in force as a whole or not at all. What refuses it says so in one line that names the file, and what it has made can be written and is the same read back.
func FuzzLoad(f *testing.F) {
	for name := range words {
		f.Add(name+"\nserver 0 weight 3\n\n# "+name, name+" 1 2 3 4")
	}
	f.Add("blacklist 5\n@\nserver 1 drain\n", "server 0 max 3\nserver 2 address 10.0.0.3 port 80")
	f.Add("@\n@\n", "acl 1 permit 10.0.0.0/8\nclient_acl 1\r\nno acl 1")
	f.Add("server 0 address [::1] port 99999\n@", "@")
	f.Add("\xef\xbb\xbfblacklist 1\nmode\x00\n"+strings.Repeat(" ", maxLine+1), "")
	f.Fuzz(func(t *testing.T, text, inner string) {
		for _, word := range []string{"write", "include"} { // they would reach files of this machine: @ stands for what may be included
			if strings.Contains(text+inner, word) {
				return
			}
		}
		dir := t.TempDir()
		outer, included := filepath.Join(dir, "outer"), filepath.Join(dir, "included")
		for path, content := range map[string]string{outer: text, included: inner} {
			if err := os.WriteFile(path, []byte(strings.ReplaceAll(content, "@", "include "+included)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w := newWorld()
		in := farm(t, w, Config{Exit: true}, "10.0.0.1:80", "10.0.0.2:80")
		before := in.State()
		if err := in.Load(outer); err != nil {
			same(t, in.State(), before)
			if strings.ContainsAny(err.Error(), "\n\r\x00") || !strings.Contains(err.Error(), outer) {
				t.Errorf("the error is not one line that names the file: %q", err)
			}
			return
		}
		s := in.State()
		if err := s.Published().Validate(); err != nil {
			t.Errorf("the plan is invalid: %v", err)
		}
		readBack(t, w, s)
	})
}
