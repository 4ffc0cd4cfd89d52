package status

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// The files in testdata were written by Debian's pen 0.34.1 with -P, driven by testdata/capture.py. The pages below are given the figures of that run,
// times and descriptors among them, so nothing is masked but the address of the Unix clients, where Pen prints uninitialised memory.

var newYork = time.FixedZone("EST", -5*3600) // Pen ran with that TZ: the date is in local time

func penPage() *Page {
	at := time.Date(2026, 11, 23, 1, 22, 0, 0, newYork)
	server := func(index int, address string, port, connections, soft, hard int, sent, received uint64, weight, prio int) Server {
		return Server{Index: index, Address: address, Port: port, Connections: connections, Soft: soft, Hard: hard, Sent: sent, Received: received, Weight: weight, Prio: prio}
	}
	client := func(index, server int, connects, sent, received uint64) Client {
		return Client{index, netip.AddrFrom4([4]byte{127, 0, 0, byte(index + 1)}), at.Add(-2 * time.Second), server, connects, sent, received}
	}
	return &Page{
		Time: at,
		Servers: []Server{
			server(0, "127.0.0.1", 21901, 3, 5, 9, 41, 17, 3, 2),
			server(1, "::1", 21902, 1, 0, 0, 23, 11, 2, 1),
			server(2, "/tmp/h2/be.sock", 1, 1, 0, 0, 5, 5, 1, 7),
			server(3, "127.0.0.1", 21901, 1, 0, 0, 5, 5, 1, 0),
			server(4, "", 0, 0, 0, 0, 0, 0, 0, 0),
			server(5, "", 0, 0, 0, 0, 0, 0, 0, 0),
			server(6, "127.0.0.1", 99, 0, 0, 0, 0, 0, 0, 0),
		},
		Clients: []Client{client(0, 0, 2, 12, 36), client(1, 1, 1, 6, 18), client(2, 2, 1, 5, 5), client(3, 3, 1, 5, 5), client(4, 1, 1, 5, 5), client(5, 0, 1, 5, 5)},
		Connections: []Connection{{0, 5, 6, 0, 0, 0, 0}, {2, 9, 10, 0, 0, 2, 2}, {3, 11, 12, 0, 0, 0, 0}, {4, 13, 14, 0, 0, 3, 3}, {5, 15, 16, 0, 0, 4, 1},
			{6, 17, 18, 0, 0, 5, 0}},
		ConnMax: 7, ConnUsed: 6, ConnLast: 6, ClientsMax: 20,
	}
}

// unixPage has clients on a Unix socket and a server that has failed.
func unixPage() *Page {
	at := time.Date(2026, 11, 23, 1, 22, 3, 0, newYork)
	return &Page{
		Time:    at,
		Current: 1,
		Servers: []Server{
			{Index: 0, Address: "::1", Port: 21902, Connections: 3, Sent: 18, Received: 15},
			{Index: 1, Address: "127.0.0.1", Port: 21901, Connections: 3, Sent: 18, Received: 15},
			{Index: 2, Address: "/tmp/h2/be.sock", Port: 1, Failed: time.Unix(1795414923, 999)},
		},
		Clients:     []Client{{LastUsed: at, Server: 1, Connects: 6, Sent: 30, Received: 36}},
		Connections: []Connection{{0, 5, 6, 0, 0, 0, 1}, {1, 7, 8, 0, 0, 0, 0}, {2, 9, 10, 0, 0, 0, 0}, {3, 11, 12, 0, 0, 0, 1}, {4, 13, 14, 0, 0, 0, 0}, {5, 15, 16, 0, 0, 0, 1}},
		ConnMax:     500, ConnUsed: 6, ConnLast: 5, ClientsMax: 2048,
	}
}

func golden(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func page(t *testing.T, p *Page) string {
	t.Helper()
	var b bytes.Buffer
	if n, err := p.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo is %d, %v after %d bytes", n, err, b.Len())
	}
	return b.String()
}

func TestPageIsPens(t *testing.T) {
	same(t, page(t, penPage()), golden(t, "pen.html"))
	garbage := regexp.MustCompile(`(received</td>\n</tr>\n<tr>\n<td>0</td>\n<td>)[^0-9<][^<]*(</td>)`)
	same(t, page(t, unixPage()), garbage.ReplaceAllString(golden(t, "pen-unix.html"), "$1$2"))
}

// PEN.md B16: Pen's dump shows pointers for the clients. All other messages are Pen's.
func TestDump(t *testing.T) {
	p := penPage()
	p.Time = time.Date(2026, 11, 23, 1, 22, 2, 0, newYork)
	p.Servers = p.Servers[:4]
	const stamp = "2026-11-23 01:22:02: "
	var got strings.Builder
	for message := range p.Dump() {
		got.WriteString(stamp + message + "\n")
	}
	clients := regexp.MustCompile(stamp + `Client \d+ status:\n(?s:.*?last server.*?)\n\n`)
	same(t, clients.ReplaceAllString(got.String(), ""), clients.ReplaceAllString(golden(t, "pen.dump"), ""))
	ours := clients.FindAllString(got.String(), -1)
	if pens := clients.FindAllString(golden(t, "pen.dump"), -1); len(ours) != 6 || len(pens) != 6 {
		t.Fatalf("%d clients, Pen's has %d", len(ours), len(pens))
	}
	want := stamp + "Client 1 status:\naddress 127.0.0.2\nlast used 1795414918\nlast server 1\n1 connects\n6 sent, 18 received\n\n"
	if ours[1] != want {
		t.Errorf("client 1: got %q, want %q", ours[1], want)
	}
}

func TestDumpStopsWhenAsked(t *testing.T) {
	all := slices.Collect(penPage().Dump())
	for n := range all {
		heard := 0
		for range penPage().Dump() {
			if heard++; heard == n+1 {
				break
			}
		}
		if heard != n+1 {
			t.Errorf("heard %d messages, want %d", heard, n+1)
		}
	}
}

func same(t *testing.T, got, want string) {
	t.Helper()
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("line %d: got %q, Pen's is %q", i+1, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		t.Fatalf("%d lines, Pen's has %d", len(a), len(b))
	}
}

func TestCellsThatPenHasNoExampleFor(t *testing.T) {
	at := time.Unix(1700000000, 1)
	got := page(t, &Page{
		Time:        at,
		Servers:     []Server{{Address: "/run/<b>&\"", Sent: 1<<64 - 1}},
		Clients:     []Client{{Address: netip.MustParseAddr("fe80::1%eth0"), LastUsed: at.Add(-2 * time.Nanosecond), Server: -1}},
		Connections: []Connection{{Index: 3, DownFD: 9, UpFD: -1, PendingDown: 11, PendingUp: 22, Client: 4, Server: -2}},
	})
	for _, want := range []string{
		"<td>/run/&lt;b&gt;&amp;&#34;</td>\n<td>0</td>\n", "<td>18446744073709551615</td>\n",
		"<td>fe80::1</td>\n<td>1</td>\n<td>-1</td>\n", // the age is between whole seconds, as Pen's
		"<tr>\n<td>3</td>\n<td>9</td>\n<td>-1</td>\n<td>11</td>\n<td>22</td>\n<td>4</td>\n<td>-2</td>\n</tr>\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}

// shortWriter takes so many bytes and then fails.
type shortWriter struct{ left, calls int }

var errShort = errors.New("no more")

func (w *shortWriter) Write(b []byte) (int, error) {
	w.calls++
	if n := w.left; n < len(b) {
		w.left = 0
		return n, errShort
	}
	w.left -= len(b)
	return len(b), nil
}

func TestLargePage(t *testing.T) {
	p := &Page{Time: time.Now(), Clients: make([]Client, 20_000)}
	whole := len(page(t, p))
	w := &shortWriter{left: whole}
	if n, err := p.WriteTo(w); n != int64(whole) || err != nil || w.calls > whole/full+1 {
		t.Errorf("%d of %d bytes in %d writes, %v", n, whole, w.calls, err)
	}
	w = &shortWriter{left: whole / 2}
	if n, err := p.WriteTo(w); n != int64(whole/2) || !errors.Is(err, errShort) {
		t.Errorf("%d bytes, %v; want %d and the writer's error", n, err, whole/2)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path, link := dir+"/page.html", dir+"/link.html"
	if err := os.Symlink("page.html", link); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{path, path, link} {
		if err := penPage().WriteFile(to); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != 0o644 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		b, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		same(t, string(b), golden(t, "pen.html"))
	}
	if to, err := os.Readlink(link); err != nil || to != "page.html" {
		t.Errorf("the link is %q, %v", to, err)
	}
	onlyThese(t, dir, "link.html", "page.html")
}

// Readers see whole pages only, however often it is written.
func TestWriteFileIsAtomic(t *testing.T) {
	path := t.TempDir() + "/page.html"
	p := &Page{Time: time.Now(), Clients: make([]Client, 500)}
	whole := page(t, p)
	if err := p.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	written := make(chan error)
	go func() {
		var err error
		for range 100 {
			err = errors.Join(err, p.WriteFile(path))
		}
		written <- err
	}()
	for {
		b, err := os.ReadFile(path)
		if err != nil || string(b) != whole {
			t.Errorf("read %d bytes of %d, %v", len(b), len(whole), err)
		}
		select {
		case err := <-written:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
	}
}

func TestWriteFileRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/dev/null":       "not a regular file", // as root a rename would replace the device
		dir + "/sub":      "not a regular file",
		dir + "/none/x":   "no such file or directory",
		dir + "/sub/\x00": "invalid argument",
	} {
		if err := penPage().WriteFile(path); err == nil || !strings.HasPrefix(err.Error(), "write status page "+path+": ") || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", path, err, want)
		}
	}
	onlyThese(t, dir, "sub")
	onlyThese(t, dir+"/sub")
}

// Pen opens the file itself: it works where only the file may be written. So does ours.
func TestWriteFileWhereTheDirectoryIsClosed(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/page.html"
	if err := errors.Join(os.WriteFile(path, []byte(strings.Repeat("old", 10_000)), 0o600), os.Chmod(path, 0o666), os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o555)); err != nil {
		t.Fatal(err)
	}
	errs := make(chan error)
	go func() {
		// As nobody for files, where the tests run as root; this thread ends with its goroutine and takes that with it.
		runtime.LockOSThread()
		if os.Getuid() == 0 {
			if err := syscall.Setfsuid(65534); err != nil {
				errs <- fmt.Errorf("become nobody: %w", err)
				return
			}
		}
		errs <- errors.Join(penPage().WriteFile(path), mustFail(penPage().WriteFile(dir+"/new.html")))
	}()
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, string(b), golden(t, "pen.html"))
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	onlyThese(t, dir, "page.html")
}

func mustFail(err error) error {
	if !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("a new file in a closed directory: %w", err)
	}
	return nil
}

func onlyThese(t *testing.T, dir string, names ...string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, names) {
		t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}
