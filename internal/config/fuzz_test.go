package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// oneLine checks what every refusal has to be.
func oneLine(t *testing.T, err error) {
	t.Helper()
	if code := ExitCode(err); code != 64 || strings.ContainsAny(err.Error(), "\r\n\x00") {
		t.Errorf("status %d, want 64 and one line: %q", code, err)
	}
}

func FuzzParseServer(f *testing.F) {
	for _, seed := range []string{
		"www1", "www1:80", "www1:http:1:2:3:4", "127.0.0.1:21001:notanumber:5", "[::1]:80:1", "[fe80::1%eth0]:80", "::1", "[", "[]", ":::::", "/run/a.sock", "/run/a.sock:1", "a:99999", "-r", "",
	} {
		f.Add(seed, 80)
		f.Add(seed, 0)
	}
	f.Fuzz(func(t *testing.T, text string, defaultPort int) {
		defaultPort = max(0, min(defaultPort, 65535))
		s, err := ParseServer(text, defaultPort)
		if err != nil {
			oneLine(t, err)
			if s != (Server{}) {
				t.Errorf("%q: both %+v and %v", text, s, err)
			}
			return
		}
		if s.Text != text || (s.Path == "") == (s.Host == "") || s.Path == "" && (s.Port < 1 || s.Port > 65535) {
			t.Errorf("%q became %+v", text, s)
		}
		again, err := ParseServer(s.String(), 0)
		again.Text = s.Text
		if err != nil || again != s {
			t.Errorf("%q: %+v, written %s and read again %+v, %v", text, s, s, again, err)
		}
	})
}

func FuzzParseListen(f *testing.F) {
	for _, seed := range []string{"8080", "http", "*:8080", "0.0.0.0:8080", "[::]:8080", "[::1]:8080", "localhost:80", "/run/pen.sock", ":80", "[::1]", "::1", "1:2:3", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseListen(text)
		if err != nil {
			oneLine(t, err)
			if !reflect.DeepEqual(l, Listen{}) {
				t.Errorf("%q: both %+v and %v", text, l, err)
			}
			return
		}
		if l.Text != text || (l.Network == "unix") != (l.Path != "") || l.Network == "tcp" && (l.Port < 1 || l.Port > 65535) {
			t.Errorf("%q became %+v", text, l)
		}
		again, err := ParseListen(l.String())
		again.Text = l.Text
		if err != nil || !reflect.DeepEqual(again, l) {
			t.Errorf("%q: %+v, written %s and read again %+v, %v", text, l, l, again, err)
		}
	})
}

func FuzzParseCPUs(f *testing.F) {
	for _, seed := range []string{"auto", "0", "0-3,8", "3-1", "0-4294967295", "1,1", "", ",", "-"} {
		f.Add(seed)
	}
	available := []int{0, 1, 2, 3, 8, 1023}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseCPUs(text, available)
		if err != nil {
			oneLine(t, err)
			if list != nil {
				t.Errorf("%q: both %v and %v", text, list, err)
			}
			return
		}
		for i, cpu := range list {
			if !slices.Contains(available, cpu) || slices.Contains(list[:i], cpu) {
				t.Errorf("%q became %v", text, list)
			}
		}
		again, err := ParseCPUs(cpuText(list), available)
		if err != nil || !slices.Equal(again, slices.Sorted(slices.Values(list))) {
			t.Errorf("%q: %v, written %s and read again %v, %v", text, list, cpuText(list), again, err)
		}
	})
}

// FuzzParse takes the arguments with a NUL between them, which no real argument can hold.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "--help", "--version", "80 www1", "-fdr -x 50 80 www1 www2:81:1:2:3:4", "-e [::1]:80 --track-prefix 32/64 8080 a", "-t 0.5 --check http:/ok --cpus 0-3 [::]:80 /run/a",
		"-m -1 -q 0 80 a", "-test.v 80 a", "--debug=5 -d 80 a", "--pipe-size 64k --pipes 0 --splice=never 80 a", "-- 80 a", "--=", "-=", "-x=5 80 a", "-F pen.cfg", "-O debug -dd -t 0.5 -t 2 -l a -c 0 80", "-fHXaoservers -C /run/ctl -l loghost:1 80 a",
		"-PDnQS16 80 a", "-U 80 a", "-fEcert 80 a", "-i x", "-S", "-B a 80 b", "--control-files /a --control-files /b --geoip g -w w 80 a", "-O pid --roundrobin=F --nagle=0 80", "--loops 1024 -c 1 80 a",
	} {
		f.Add(strings.ReplaceAll(seed, " ", "\x00"))
	}
	for _, command := range []string{"listen 80", "listen", "debug 5", "debug -9223372036854775808", "", "#", "a\nb"} {
		f.Add("-O\x00" + command + "\x00-dd\x00-b\x007\x00--keepalive=0")
	}
	f.Fuzz(func(t *testing.T, line string) {
		var args []string
		if line != "" {
			args = strings.Split(line, "\x00")
		}
		o, err := Parse("pen", args)
		switch {
		case (o == nil) == (err == nil):
			t.Fatalf("%q: options %v and error %v", args, o, err)
		case err == ErrHelp, err == ErrVersion:
		case err != nil:
			oneLine(t, err)
		default:
			if len(o.Servers) == 0 && o.ConfigFile == "" && len(o.Commands) == 0 || !o.HasListen() && !o.mayListen() || o.AcceptBatch < 1 || o.Backlog < 50 || o.MaxConns < 1 || o.ConnectTimeout <= 0 || o.PipeSize&(o.PipeSize-1) != 0 || o.PenHash && !o.Hash {
				t.Errorf("%q: %+v", args, *o)
			}
			for _, text := range append(o.Commands, o.CommandLine()) {
				if strings.ContainsAny(text, "\r\n\x00") {
					t.Errorf("%q: more than a line in %q", args, text)
				}
			}
			if b, err := o.budget(64, 1, 0); err == nil && b.Descriptors > 64 {
				t.Errorf("%q: a budget past its limit: %+v", args, b)
			}
		}
	})
}
