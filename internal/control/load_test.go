package control

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// file writes lines to a new file and returns its path.
func file(t testing.TB, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pen.cfg")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t testing.TB, in *Interpreter, lines ...string) {
	t.Helper()
	if err := in.Load(file(t, lines...)); err != nil {
		t.Fatal(err)
	}
}

func TestABadFileChangesNothing(t *testing.T) {
	w := newWorld()
	var out bytes.Buffer
	in := farm(t, w, Config{Output: &out}, "10.0.0.1:80", "10.0.0.2:80")
	id := in.State().Plan.Servers[0].ID
	before := in.State()
	inner := file(t, "server 1 max 9", "acl 1 permit bogus")
	loop := file(t, "mode")
	if err := os.WriteFile(loop, []byte("include "+loop+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, bad := range map[string]string{
		`:4: unknown word "frob"`:                    "frob 3",
		`:4: blacklist: "abc" is not a whole number`: "blacklist abc",
		`:4: server: frob: unknown setting`:          "server 0 frob 3",
		`:4: server: frob: unknown setting of a server, with value "3"; grob: value is missing`: "server 0 frob 3 grob",
		`:4: server: address: look up nowhere`:                                                  "server 0 address nowhere",
		`:4: no: "frob" cannot be negated`:                                                      "no frob",
		`:4: ssl_ciphers: not supported yet: ssl_ciphers`:                                       "ssl_ciphers ALL",
		`:4: include: ` + inner + `:2: acl: acl: bogus address 'bogus'`:                         "include " + inner,
		`Can't read config file '/nonexistent'`:                                                 "include /nonexistent",
		`more than 16 files deep`:                                                               "include " + loop,
		`line is longer than 4095 bytes`:                                                        "# " + strings.Repeat("x", 4094),
	} {
		err := in.Load(file(t, "# comment", "server 0 blacklist 100 drain", "blacklist 99", bad, "close 1", "mode"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", bad, err, want)
		}
	}
	w.refuse = errors.New("no room")
	if err := in.Load(file(t, "server 0 drain", "blacklist 99")); !errors.Is(err, w.refuse) {
		t.Errorf("a file the world refuses: %v", err)
	}
	if err := in.Load("/nonexistent"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "Can't read config file '/nonexistent'") {
		t.Errorf("missing file: %v", err)
	}
	if err := in.Load(t.TempDir()); err == nil {
		t.Error("a directory is read as a file")
	}
	same(t, in.State(), before)
	if n, _ := w.count(); n != 0 {
		t.Errorf("%d states were applied", n)
	}
	if h := w.slots.Get(id).Health(epoch); !h.Usable() {
		t.Errorf("server 0 is %+v", h)
	}
	equal(t, "output", out.String(), "")
	fails(t, in, "include "+inner, Trusted, inner+":2:")
	same(t, in.State(), before)
}

func TestAGoodFileIsOneStep(t *testing.T) {
	w := newWorld()
	var out bytes.Buffer
	in := farm(t, w, Config{Output: &out}, "10.0.0.1:80")
	inner := file(t, "hash", "mode")
	load(t, in, "server 1 address 10.0.0.2 port 80 drain", "servers", "include "+inner, "blacklist 7", "no hash", "mode")
	if n, _ := w.count(); n != 1 {
		t.Errorf("%d states were applied, want 1", n)
	}
	equal(t, "output", out.String(), "0 addr 10.0.0.1 port 80 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n1 addr 10.0.0.2 port 80 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n"+
		"hash no roundrobin no stubborn no weight no prio\n7\nno hash no roundrobin no stubborn no weight no prio\n")
	if !w.slots.Get(in.State().Plan.Servers[1].ID).Health(epoch).Drained {
		t.Error("server 1 is not drained")
	}
	// Pen's own writing of a server without an address is read, and what follows it too.
	load(t, in, "server 3 acl 2 address (unknown address family 0 port 0 max 5 hard 6")
	if s := in.State().Plan.Servers[3]; s.ACL != 2 || s.Soft != 5 || s.Hard != 6 {
		t.Errorf("server 3 is %+v", s)
	}
}

// Without a database an entry of a country would match nobody, and a list that was to keep a country out would let it in.
func TestACountryNeedsItsDatabase(t *testing.T) {
	state := pens()
	state.Plan.Countries = nil
	in := New(newWorld(), state, Config{})
	const want = "acl: deny country SE: no country is known without a database; start with --geoip FILE"
	for _, origin := range []Origin{Trusted, Network} {
		if reply, err := in.Do("acl 1 deny country SE", origin); reply != "" || err == nil || err.Error() != "acl: "+want {
			t.Errorf("reply %q, verdict %v", reply, err)
		}
	}
	path := file(t, "acl 1 permit 10.0.0.1", "acl 1 deny country SE")
	if err := in.Load(path); err == nil || err.Error() != path+":2: acl: "+want {
		t.Errorf("a file: %v", err)
	}
	if s := in.State(); s.Plan.Lists.Entries(1) != nil {
		t.Errorf("list 1 is %v", s.Plan.Lists.Entries(1))
	}
	fails(t, in, "acl 1 deny country Sweden", Trusted, "bogus country") // what is wrong with the words comes first
	do(t, New(newWorld(), pens(), Config{}), "acl 1 deny country SE")
}

func TestTablesTakeAnySizeUntilTheStart(t *testing.T) {
	in := New(newWorld(), pens(), Config{})
	load(t, in, "clients_max 10", "conn_max 20")
	equal(t, "before the start", do(t, in, "clients_max", "conn_max"), "10\n20\n")
	if err := in.Start(); err != nil {
		t.Fatal(err)
	}
	load(t, in, "clients_max 9", "conn_max 30")
	equal(t, "after it", do(t, in, "clients_max", "conn_max"), "10\n30\n")
}

func TestBatchRunsAllAndNamesWhatFails(t *testing.T) {
	w := newWorld()
	var out bytes.Buffer
	in := New(w, pens(), Config{Output: &out})
	err := in.Batch("mode", "frob", "server 0 address 10.0.0.1 port 80", "blacklist x")
	if err == nil || !strings.Contains(err.Error(), `command "frob": unknown word "frob"`) || !strings.Contains(err.Error(), "blacklist x") {
		t.Errorf("error %v", err)
	}
	equal(t, "output", out.String(), "no hash no roundrobin no stubborn no weight no prio\ndo_cmd: ignoring command starting with 'frob'\n0\n")
	if n, _ := w.count(); n != 0 {
		t.Errorf("%d states were applied before the start", n)
	}
	if s := in.State().Plan.Servers; len(s) != 1 || s[0].ID == 0 {
		t.Errorf("servers %+v", s)
	}
}
