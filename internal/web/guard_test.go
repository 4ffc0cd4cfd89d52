package web

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestActions(t *testing.T) {
	const bearer = "Bearer " + secret
	for _, c := range []struct {
		name, path, body string
		headers          []string
		token            string // "": the window's
		status           int
		did              string // "" = nothing may have been done
	}{
		{name: "drain", path: "0/drain", headers: []string{"Authorization", bearer}, status: 200, did: "server 0 drain"},
		{name: "undrain", path: "1/undrain", headers: []string{"Authorization", bearer}, status: 200, did: "server 1 undrain"},
		{name: "blacklist", path: "1/blacklist", body: `{"seconds":60}`, headers: []string{"Authorization", bearer}, status: 200, did: "server 1 blacklist 60"},
		{name: "lift", path: "1/blacklist", body: `{"seconds":0}`, headers: []string{"Authorization", bearer}, status: 200, did: "server 1 blacklist 0"},
		{name: "weight", path: "2/weight", body: `{"weight":7}`, headers: []string{"Authorization", bearer}, status: 200, did: "server 2 weight 7"},
		{name: "from our own page", path: "0/drain", headers: []string{"Authorization", bearer, "Origin", "http://127.0.0.1:8080", "Sec-Fetch-Site", "same-origin"}, status: 200, did: "server 0 drain"},

		{name: "no token", path: "0/drain", status: 401},
		{name: "half a token", path: "0/drain", headers: []string{"Authorization", bearer[:20]}, status: 401},
		{name: "token and more", path: "0/drain", headers: []string{"Authorization", bearer + "0"}, status: 401},
		{name: "other scheme", path: "0/drain", headers: []string{"Authorization", "Basic " + secret}, status: 401},
		{name: "read only", path: "0/drain", token: "none", headers: []string{"Authorization", bearer}, status: 403},
		{name: "read only, empty token", path: "0/drain", token: "none", headers: []string{"Authorization", "Bearer "}, status: 403},
		{name: "another site", path: "0/drain", headers: []string{"Authorization", bearer, "Origin", "http://evil.example"}, status: 403},
		{name: "another site, by a new browser", path: "0/drain", headers: []string{"Authorization", bearer, "Sec-Fetch-Site", "cross-site"}, status: 403},
		{name: "a name that leads here", path: "0/drain", headers: []string{"Authorization", bearer, "Host", "evil.example:8080"}, status: 421},
		{name: "no such server", path: "9/drain", headers: []string{"Authorization", bearer}, status: 404},
		{name: "no number", path: "0%20drain;server%201/drain", headers: []string{"Authorization", bearer}, status: 404},
		{name: "emergency server", path: "-1/drain", headers: []string{"Authorization", bearer}, status: 409},
		{name: "no body", path: "0/weight", headers: []string{"Authorization", bearer}, status: 400},
		{name: "null", path: "0/weight", body: `{"weight":null}`, headers: []string{"Authorization", bearer}, status: 400},
		{name: "words", path: "0/weight", body: `{"weight":"1 drain"}`, headers: []string{"Authorization", bearer}, status: 400},
		{name: "negative", path: "0/weight", body: `{"weight":-1}`, headers: []string{"Authorization", bearer}, status: 400},
		{name: "too large", path: "0/blacklist", body: `{"seconds":2147483648}`, headers: []string{"Authorization", bearer}, status: 400},
		{name: "other field", path: "0/weight", body: `{"weight":1,"prio":2}`, headers: []string{"Authorization", bearer}, status: 400},
		{name: "long body", path: "0/weight", body: strings.Repeat(" ", maxBody) + `{"weight":1}`, headers: []string{"Authorization", bearer}, status: 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFarm()
			token := secret
			if c.token != "" {
				token = ""
			}
			got := ask(shut(f, token), "POST", "/api/v1/servers/"+c.path, c.body, c.headers...)
			if got.Code != c.status || f.did() != c.did {
				t.Errorf("status %d, want %d; did %q, want %q: %s", got.Code, c.status, f.did(), c.did, got.Body)
			}
			if got.Code == 401 && got.Header().Get("WWW-Authenticate") == "" {
				t.Error("401 does not say what is wanted")
			}
		})
	}
}

func TestRefusedCommandIsTold(t *testing.T) {
	f := newFarm()
	f.refuses = true
	got := ask(shut(f, secret), "POST", "/api/v1/servers/0/drain", "", "Authorization", "Bearer "+secret)
	if got.Code != http.StatusConflict || !strings.Contains(got.Body.String(), "not now") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// A GET changes nothing, and neither does any other method.
func TestOnlyPostActs(t *testing.T) {
	f := newFarm()
	for _, method := range []string{"GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"} {
		if got := ask(shut(f, secret), method, "/api/v1/servers/0/drain", "", "Authorization", "Bearer "+secret); got.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, got.Code)
		}
	}
	if f.did() != "" {
		t.Errorf("did %q", f.did())
	}
}

func TestHosts(t *testing.T) {
	local := shut(newFarm(), "")
	public := shut(newFarm(), "")
	public.local = false
	for host, here := range map[string]bool{
		"127.0.0.1:8080": true, "localhost:8080": true, "LOCALHOST": true, "[::1]:8080": true, "10.1.2.3": true, "[::1]": true,
		"pen.example:8080": false, "localhost.evil.example": false, "": false, "127.0.0.1.evil.example:80": false,
	} {
		for _, path := range []string{"/", "/metrics", "/api/v1/figures"} {
			if got := ask(local, "GET", path, "", "Host", host).Code; (got == 200) != here {
				t.Errorf("on loopback, host %q, %s: %d", host, path, got)
			}
			if got := ask(public, "GET", path, "", "Host", host).Code; got != 200 {
				t.Errorf("at an address of the network, host %q, %s: %d", host, path, got)
			}
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	s := shut(newFarm(), "")
	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/nothing", "/api/v1/figures", "/api/v1/clients?address=x"} {
		h := ask(s, "GET", path, "").Header()
		for name, want := range map[string]string{"Content-Security-Policy": "default-src 'none';", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
			if !strings.HasPrefix(h.Get(name), want) {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
		for name := range h {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %s", path, name)
			}
		}
	}
}

func TestReadToken(t *testing.T) {
	for _, c := range []struct {
		name, content string
		mode          os.FileMode
		want, fails   string
	}{
		{name: "good", content: secret + "\n", mode: 0o600, want: secret},
		{name: "for the group", content: secret, mode: 0o640, want: secret},
		{name: "for everybody", content: secret, mode: 0o644, fails: "chmod 600"},
		{name: "short", content: "0123456789abcde", mode: 0o600, fails: "at least 16"},
		{name: "empty", mode: 0o600, fails: "at least 16"},
		{name: "two words", content: secret + " " + secret, mode: 0o600, fails: "one word"},
		{name: "binary", content: secret + "\x80", mode: 0o600, fails: "one word"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, c.mode); err != nil {
				t.Fatal(err)
			}
			got, err := ReadToken(file)
			if got != c.want || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	if _, err := ReadToken("/nowhere"); err == nil {
		t.Error("a missing file is no error")
	}
}
