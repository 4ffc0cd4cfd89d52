package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// startForwardedNginx runs an nginx that logs the method, the page and what it was told of the client.
func startForwardedNginx(t *testing.T) *nginx {
	t.Helper()
	n := &nginx{t: t, name: "a", address: fmt.Sprint("127.0.0.1:", freePort(t)), dir: t.TempDir()}
	config := fmt.Sprintf(nginxConfig, n.dir, n.address, n.name)
	config = strings.Replace(config, "	access_log "+n.dir+"/access.log;", "	log_format told '$request_method $uri [$http_x_forwarded_for] [$http_x_forwarded_proto]';\n	access_log "+n.dir+"/access.log told;", 1)
	if err := os.WriteFile(filepath.Join(n.dir, "nginx.conf"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	n.start()
	t.Cleanup(n.kill)
	return n
}

// -H tells a real web server the client's address with every request: of a keep-alive connection, several in one write, one in many writes, any method, with a body; what the client says itself is extended.
func TestForwardedToNginx(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		n := startForwardedNginx(t)
		b := launch{poller: poller, flags: []string{"-H"}, servers: []string{n.address}}.start(t)
		c, err := connect(loopback(1), b.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		answers := bufio.NewReader(c)
		send := func(requests int, pieces ...string) {
			t.Helper()
			for _, p := range pieces {
				if _, err := io.WriteString(c, p); err != nil {
					t.Fatal(err)
				}
			}
			for range requests {
				r, err := http.ReadResponse(answers, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
		}
		me := loopback(1).String()
		var want []string
		expect := func(method, page, told string) {
			want = append(want, fmt.Sprintf("%s %s [%s] [http]", method, page, told))
		}

		send(1, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n")
		expect("GET", "/1", me)
		send(3, "GET /2 HTTP/1.1\r\nHost: x\r\n\r\nOPTIONS /3 HTTP/1.1\r\nHost: x\r\n\r\nPUT /4 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
		expect("GET", "/2", me)
		expect("OPTIONS", "/3", me)
		expect("PUT", "/4", me)
		send(1, "GET /5 HT", "TP/1.1\r", "\nHos", "t: x\r\nX-Forwarded-F", "or: 10.9.8.7\r", "\n\r", "\n")
		expect("GET", "/5", "10.9.8.7, "+me)
		send(2, "POST /6 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\nDELETE /7 HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
		expect("POST", "/6", me)
		expect("DELETE", "/7", "1.2.3.4, "+me)
		var everyByte []string
		for _, b := range "PATCH /8 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok" {
			everyByte = append(everyByte, string(b))
		}
		send(1, everyByte...)
		expect("PATCH", "/8", me)

		var got []string
		eventually(t, patience, "nginx has logged all", func() bool {
			content, _ := os.ReadFile(filepath.Join(n.dir, "access.log"))
			got = nil
			for line := range strings.Lines(string(content)) {
				got = append(got, strings.TrimSpace(line))
			}
			return len(got) >= len(want)
		})
		if !slices.Equal(got, want) {
			t.Errorf("nginx was told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		shown(t, "%s: -H: %d requests of one keep-alive connection, pipelined, split and with bodies: nginx logs the client for each", poller, len(want))
	})
}
