package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// window is a balancer with a web page.
type window struct {
	*balancer
	base, token string
	client      *http.Client
}

// openWindow starts pen with a page on loopback and a token to act with. Servers are checked ten times a second.
func openWindow(t *testing.T, poller string, flags []string, servers ...string) *window {
	t.Helper()
	w := &window{token: "a-token-of-this-test-0123456789", client: &http.Client{Transport: &http.Transport{}, Timeout: patience}}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(w.token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	w.base = fmt.Sprint("http://127.0.0.1:", port)
	words := append([]string{"--web", strconv.Itoa(port), "--web-token", file, "--check", "tcp", "--check-interval", "0.1", "--rise", "1", "--fall", "1", "-b", "1"}, flags...)
	w.balancer = launch{poller: poller, flags: words, servers: servers}.start(t)
	t.Cleanup(w.client.CloseIdleConnections)
	return w
}

// get returns the status and the body of an answer.
func (w *window) get(path string) (status int, body string) {
	w.t.Helper()
	resp, err := w.client.Get(w.base + path)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.read(resp)
}

func (w *window) read(resp *http.Response) (status int, body string) {
	w.t.Helper()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// post acts with a token.
func (w *window) post(path, token, body string) (status int) {
	w.t.Helper()
	r, err := http.NewRequest("POST", w.base+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	status, _ = w.read(resp)
	return status
}

// figure reads one number from /metrics, -1 if it is not there.
func (w *window) figure(name string) float64 {
	w.t.Helper()
	_, text := w.get("/metrics")
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return -1
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *window) becomes(path string, status int) {
	w.t.Helper()
	eventually(w.t, patience, fmt.Sprintf("%s answers %d", path, status), func() bool { got, _ := w.get(path); return got == status })
}

// What the window shows is what happens, and what is done there is done.
func TestWebPage(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		servers, addresses := serveNamed(t, 2)
		w := openWindow(t, poller, nil, addresses...)
		w.becomes("/readyz", 200)
		accepted := w.figure("pen_connections_accepted_total")
		for i := range 10 {
			mustVisit(t, client(i, w.address), w.address)
		}
		held := call(t, client(3, w.address), w.address)
		home := held.mustName(t)
		held.mustEcho(t)
		if got := w.figure("pen_connections_accepted_total") - accepted; got != 11 {
			t.Errorf("%v connections accepted, want 11", got)
		}
		eventually(t, patience, "ten have ended and one is open", func() bool { return w.figure("pen_connections") == 1 })
		number := strings.Index("ab", home)
		if got := w.figure(fmt.Sprintf(`pen_server_connections{server="%s"}`, addresses[number])); got != 1 {
			t.Errorf("%v connections to the server of the client that is there", got)
		}

		var found struct {
			Total int
			List  []struct {
				Address          string
				Server, Connects int
			}
		}
		_, text := w.get("/api/v1/clients?address=" + client(3, w.address).String())
		if err := json.Unmarshal([]byte(text), &found); err != nil || found.Total != 1 || found.List[0].Server != number || found.List[0].Connects != 2 {
			t.Errorf("client 3, at home on %s: %s", home, text)
		}
		if _, text := w.get("/api/v1/connections"); !strings.Contains(text, held.LocalAddr().String()) {
			t.Errorf("connections: %s has no %v", text, held.LocalAddr())
		}
		if _, text := w.get("/api/v1/explain?address=" + client(3, w.address).String()); !strings.Contains(text, addresses[number]) {
			t.Errorf("explain: %s", text)
		}

		// Were its server down, the one who is there would move, and whoever else is at home there; nothing happens.
		var forecast struct{ Clients, Connections struct{ Total, Moved int } }
		_, text = w.get(fmt.Sprintf("/api/v1/simulate?what=server+%d+down", number))
		err := json.Unmarshal([]byte(text), &forecast)
		if c := forecast; err != nil || c.Connections.Total != 1 || c.Connections.Moved != 1 || c.Clients.Total != 10 || c.Clients.Moved != 5 {
			t.Errorf("simulate: %s", text)
		}
		if status, text := w.get("/api/v1/simulate?what=file+/etc/passwd"); status != 400 {
			t.Errorf("simulate a file: %d %s", status, text)
		}

		// Only who has the token acts.
		drain := "/api/v1/servers/0/drain"
		if got := w.post(drain, "another-token-0123456789", ""); got != 401 {
			t.Errorf("another token: %d", got)
		}
		if got := w.figure(fmt.Sprintf(`pen_server_out{reason="drained",server="%s"}`, addresses[0])); got != 0 {
			t.Error("drained without the token")
		}
		if got := w.post(drain, w.token, ""); got != 200 {
			t.Errorf("the token: %d", got)
		}
		for i := range 6 { // new clients
			if name := mustVisit(t, client(100+i, w.address), w.address); name != "b" {
				t.Errorf("client %d is sent to the drained server", i)
			}
		}
		w.post("/api/v1/servers/1/blacklist", w.token, `{"seconds":60}`)
		w.becomes("/readyz", 503)
		w.post("/api/v1/servers/1/blacklist", w.token, `{"seconds":0}`)
		w.becomes("/readyz", 200)
		w.post("/api/v1/servers/0/undrain", w.token, "")
		w.post("/api/v1/servers/0/weight", w.token, `{"weight":9}`)
		if _, text := w.get("/api/v1/servers/0"); !strings.Contains(text, `"usable":true`) || !strings.Contains(text, `"weight":9`) {
			t.Errorf("server 0: %s", text)
		}
		held.mustEcho(t)

		// No server is usable any more.
		for _, s := range servers {
			s.close()
		}
		held.mustEnd(t, patience)
		w.becomes("/readyz", 503)
		w.becomes("/healthz", 200)
		serve(t, addresses[1], named("b"))
		w.becomes("/readyz", 200)
	})
}

// From the signal to stop on whoever leads clients here is told to lead them elsewhere.
func TestWebPageWhileDraining(t *testing.T) {
	t.Parallel()
	_, addresses := serveNamed(t, 1)
	w := openWindow(t, "raw", []string{"--drain", "60"}, addresses...)
	held := call(t, client(1, w.address), w.address)
	held.mustName(t)
	w.becomes("/readyz", 200)
	w.signal(syscall.SIGTERM)
	w.becomes("/readyz", 503)
	if status, text := w.get("/readyz"); status != 503 || text != "draining\n" {
		t.Errorf("%d %q", status, text)
	}
	held.mustEcho(t)
	held.Close()
	if code := w.wait(stopLimit); code != 0 {
		t.Errorf("status %d", code)
	}
}

// What is wrong with the page ends the start, with the reason.
func TestWebPageRefused(t *testing.T) {
	t.Parallel()
	_, addresses := serveNamed(t, 1)
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strconv.Itoa(freePort(t))
	for _, c := range []struct {
		flags []string
		says  string
	}{
		{[]string{"--web", port, "--web-token", open}, "chmod 600"},
		{[]string{"--web", port, "--web-token", "/nowhere"}, "no such file"},
		{[]string{"--web", taken.Addr().String()}, "address already in use"},
	} {
		l := launch{poller: "raw", listen: fmt.Sprint("127.0.0.1:", freePort(t)), flags: c.flags, servers: addresses}
		if code, output := l.run(t, "-f"); code != 1 || !strings.Contains(output, c.says) {
			t.Errorf("%s: status %d: %s", c.flags, code, output)
		}
	}
}

// The page is for this machine unless another address is named, and costs nothing but its listener with nobody there.
func TestWebPageIsLocal(t *testing.T) {
	t.Parallel()
	_, addresses := serveNamed(t, 1)
	w := openWindow(t, "raw", nil, addresses...)
	_, port, _ := strings.Cut(strings.TrimPrefix(w.base, "http://"), ":")
	if c, err := net.DialTimeout("tcp", "127.0.0.2:"+port, time.Second); err == nil {
		c.Close()
		t.Error("it listens at more than 127.0.0.1")
	}
	r, err := http.NewRequest("GET", w.base+"/api/v1/figures", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	resp, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if status, text := w.read(resp); status != http.StatusMisdirectedRequest {
		t.Errorf("under another name: %d %s", status, text)
	}
}
