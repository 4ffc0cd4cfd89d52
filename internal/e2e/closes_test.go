package e2e

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each ending is a line of the log, and the abnormal ones can be asked for.
func TestEndingsAreLoggedAndRemembered(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		good := serve(t, "", func(c conn) error { _, err := io.WriteString(c, "hello"); return err })
		log := filepath.Join(openDir(t), "log")
		s := steer(t, poller, true, []string{"-l", log, "--log-format", "json", "-b", "0", "--loops", "1"}, good.address)
		visit := func() {
			c, err := connect(loopback(7), s.address)
			if err != nil {
				t.Fatal(err)
			}
			io.ReadAll(c)
			c.Close()
		}
		visit()
		good.close()
		visit()
		type line struct {
			Time, Client, Server, Why, Cause, Error string
			Connected, Lasted                       *float64
			BytesDown                               int `json:"bytes_down"`
		}
		var lines []line
		eventually(t, startLimit, "both endings are in the log", func() bool {
			content, _ := os.ReadFile(log)
			lines = nil
			for text := range strings.Lines(string(content)) {
				var l line
				if json.Unmarshal([]byte(text), &l) == nil {
					lines = append(lines, l)
				}
			}
			return len(lines) == 2
		})
		served, refused := lines[0], lines[1]
		if served.Cause != "server_fin" || served.BytesDown != 5 || served.Connected == nil || served.Error != "" || served.Why != "roundrobin" || !strings.HasPrefix(served.Client, loopback(7).String()+":") {
			t.Errorf("served: %+v", served)
		}
		if refused.Cause != "connect_refused" || refused.Error != "connection refused" || refused.Connected != nil || refused.Server != good.address {
			t.Errorf("refused: %+v", refused)
		}
		closes := strings.Split(strings.TrimSpace(s.do("recent-closes")), "\n")
		if len(closes) != 1 || !slices.Contains(strings.Fields(closes[0]), "cause=connect_refused") {
			t.Errorf("recent-closes: %q", closes)
		}
		if reply := s.do("recent-closes 0"); reply != "" {
			t.Errorf("recent-closes 0: %q", reply)
		}
	})
}
