package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// scrape is what /metrics said, by whole series.
type scrape map[string]float64

func (w *window) scrape() (s scrape, text string) {
	w.t.Helper()
	_, text = w.get("/metrics")
	s = scrape{}
	for _, m := range regexp.MustCompile(`(?m)^(pen_\S+\{?.*) (\S+)$`).FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			w.t.Fatal(err)
		}
		s[m[1]] = v
	}
	return s, text
}

// sum adds up the series of a metric that have all these labels.
func (s scrape) sum(name string, labels ...string) (sum float64) {
	for series, v := range s {
		has := strings.HasPrefix(series+"{", name+"{")
		for _, label := range labels {
			has = has && strings.Contains(series, label)
		}
		if has {
			sum += v
		}
	}
	return sum
}

// After a load of all sorts what is counted by server and by loop makes the totals, in one scrape, and promtool has nothing to say about it.
func TestFiguresAddUp(t *testing.T) {
	t.Parallel()
	eachPoller(t, func(t *testing.T, poller string) {
		servers, addresses := serveNamed(t, 2)
		control := filepath.Join(openDir(t), "control")
		w := openWindow(t, poller, []string{"-C", control, "--loops", "2", "--check", "off"}, addresses...)
		before, _ := w.scrape()
		onB := 0.0 // clients at home on the server that is going to leave
		for i := range 40 {
			if mustVisit(t, client(i%20, w.address), w.address) == "b" {
				onB += .5
			}
		}
		for i := range 5 { // in the middle of it
			c := call(t, client(i, w.address), w.address)
			c.mustName(t)
			if err := c.conn.(interface{ SetLinger(int) error }).SetLinger(0); err != nil {
				t.Fatal(err)
			}
			c.Close()
		}
		held := call(t, client(30, w.address), w.address)
		held.mustName(t)
		held.mustEcho(t)
		if _, err := controlReply(control, "server 1 address 127.0.0.9"); err != nil { // where nobody listens
			t.Fatal(err)
		}
		for i := range 20 {
			mustVisit(t, client(i, w.address), w.address)
		}
		servers[0].close() // with what was held, if it was there
		if name, err := visit(client(50, w.address), w.address); err == nil {
			t.Errorf("served by %s when no server is there", name)
		}
		held.Close()

		var s scrape
		var text string
		eventually(t, patience, "all have ended", func() bool { s, text = w.scrape(); return s["pen_connections"] == 0 })
		const carried = 40 + 5 + 1 + 20
		if n := s["pen_connections_accepted_total"] - before["pen_connections_accepted_total"]; n != carried+1 {
			t.Errorf("%v connections accepted, want %d", n, carried+1)
		}
		for _, c := range []struct {
			what        string
			parts, want float64
		}{
			{"connections ended, by server", s.sum("pen_server_connections_ended_total"), s.sum("pen_connections_ended_total")},
			{"resets, by server", s.sum("pen_server_connections_ended_total", `cause="client_reset"`), s[`pen_connections_ended_total{cause="client_reset"}`]},
			{"connects that stood", s.sum("pen_server_connect_seconds_count"), before.sum("pen_server_connect_seconds_count") + carried},
			{"first bytes", s.sum("pen_server_first_byte_seconds_count"), before.sum("pen_server_first_byte_seconds_count") + carried},
			{"accepted, by loop", s.sum("pen_loop_connections_accepted_total"), s["pen_connections_accepted_total"]},
			{"open, by loop", s.sum("pen_loop_connections"), 0},
			{"bytes up, by loop", s.sum("pen_loop_bytes_total", `direction="up"`), s[`pen_bytes_total{direction="up"}`]},
			{"bytes down, by loop", s.sum("pen_loop_bytes_total", `direction="down"`), s[`pen_bytes_total{direction="down"}`]},
			{"stale, by loop", s.sum("pen_loop_stale_events_total"), s["pen_stale_events_total"]},
			{"clients that came back, and new ones", s["pen_clients_returned_total"] + s["pen_clients_new_total"], s["pen_connections_accepted_total"]},
			{"new clients", s["pen_clients_new_total"], before["pen_clients_new_total"] + 22 + onB},
		} {
			if c.parts != c.want {
				t.Errorf("%s: %v, want %v", c.what, c.parts, c.want)
			}
		}
		if n := s.sum("pen_server_connections_ended_total", `server="`+addresses[1]+`"`); n == 0 {
			t.Error("nothing is left of the server that has left the configuration")
		}
		check := exec.Command("promtool", "check", "metrics")
		check.Stdin = strings.NewReader(text)
		if said, err := check.CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("promtool: %v: %s", err, said)
		}
	})
}
