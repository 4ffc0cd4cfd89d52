package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// curl fetches files of all sizes from nginx through pen, byte for byte, one after another over one connection.
func TestCurlFetchesFiles(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		eachSplice(t, func(t *testing.T, splice string) {
			web := startNginx(t, "web", "")
			b := launch{poller: poller, flags: []string{"--splice", splice}, servers: []string{web.address}}.start(t)
			noise := rand.NewChaCha8([32]byte{7})
			var whole []byte
			words := []string{"--silent", "--show-error", "--fail", "--max-time", "60"}
			for i, size := range append([]int{8 << 20}, edges...) {
				content := make([]byte, size)
				_, _ = noise.Read(content)
				whole = append(whole, content...)
				name := fmt.Sprint("file", i)
				if err := os.WriteFile(filepath.Join(web.dir, name), content, 0o644); err != nil {
					t.Fatal(err)
				}
				words = append(words, "http://"+b.address+"/files/"+name)
			}
			curl := exec.Command("curl", words...)
			var out, errors bytes.Buffer
			curl.Stdout, curl.Stderr = &out, &errors
			if err := curl.Run(); err != nil {
				t.Fatalf("curl: %v: %s", err, errors.String())
			}
			if !bytes.Equal(out.Bytes(), whole) {
				t.Errorf("curl got %d bytes that are not the %d served", out.Len(), len(whole))
			}
			if n := web.hits(); n != len(edges)+1 {
				t.Errorf("nginx has logged %d requests, want %d", n, len(edges)+1)
			}
		})
	})
}

// wrk's keep-alive connections see no error.
func TestKeepAliveUnderLoad(t *testing.T) {
	rate := regexp.MustCompile(`Requests/sec: *([0-9.]+)`)
	eachPoller(t, func(t *testing.T, poller string) {
		_, servers := startNginxes(t, 2)
		b := launch{poller: poller, flags: []string{"-r"}, servers: servers}.start(t)
		const connections, seconds = 64, 1
		code, output := run(t, "wrk", "-t1", fmt.Sprint("-c", connections), fmt.Sprint("-d", seconds, "s"), "http://"+b.address+"/")
		figure := rate.FindStringSubmatch(output)
		if code != 0 || figure == nil || strings.Contains(output, "Socket errors") || strings.Contains(output, "Non-2xx") {
			t.Fatalf("wrk: exit status %d: %s", code, output)
		}
		shown(t, "%s: wrk, %d keep-alive connections: %s requests/s, no error", poller, connections, figure[1])
	})
}
