package web

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// What promtool check metrics finds is found here: it is the same linter.
func TestMetrics(t *testing.T) {
	text := ask(shut(newFarm(), ""), "GET", "/metrics", "").Body.String()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "pen_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, want := range []string{
		`pen_build_info{version="v1 go1"} 1`,
		`pen_start_time_seconds 1.7954316e+09`,
		`pen_ready 1`,
		`pen_connections 3`,
		`pen_connections_max 500`,
		`pen_connections_ended_total{cause="client_fin"} 2000`,
		`pen_connections_accepted_total 1000`,
		`pen_clients_evicted_total 4`,
		`pen_pipe_size_bytes 524288`,
		`pen_server_info{address="10.0.0.1:80",number="0",server="www1:80"} 1`,
		`pen_server_connections{server="www1:80"} 1`,
		`pen_server_bytes_total{direction="down",server="www1:80"} 4000`,
		`pen_server_usable{server="<b>www2</b>:80"} 0`,
		`pen_server_out{reason="drained",server="<b>www2</b>:80"} 1`,
		`pen_server_out{reason="check",server="<b>www2</b>:80"} 0`,
		`pen_server_connects_total{server="/run/�.sock"} 11`,
		`pen_server_connections_ended_total{cause="server_fin",server="www1:80"} 1500`,
		`pen_server_connections_ended_total{cause="server_fin",server="gone:80"} 1500`,
		`pen_server_connect_seconds_bucket{server="www1:80",le="5e-05"} 0`,
		`pen_server_connect_seconds_bucket{server="www1:80",le="0.0001"} 8`,
		`pen_server_connect_seconds_bucket{server="www1:80",le="0.001"} 11`,
		`pen_server_connect_seconds_bucket{server="gone:80",le="+Inf"} 11`,
		`pen_server_connect_seconds_sum{server="/run/�.sock"} 0.009`,
		`pen_server_connect_seconds_count{server=""} 0`,
		`pen_server_first_byte_seconds_bucket{server="www1:80",le="10"} 0`,
		`pen_server_first_byte_seconds_count{server="www1:80"} 1`,
		`pen_server_checks_total{result="failed",server="www1:80"} 2`,
		`pen_server_last_check_duration_seconds{server="www1:80"} 0.00025`,
		`pen_loop_connections{cpu="",loop="0"} 3`,
		`pen_loop_connections_accepted_total{cpu="1",loop="1"} 0`,
		`pen_loop_bytes_total{cpu="",direction="up",loop="0"} 1009`,
		`pen_loop_busy_seconds_total{cpu="",loop="0"} 1.016e-06`,
		`pen_accept_imbalance_ratio 2`,
		`pen_clients_returned_total 1013`,
		`pen_log_lines_dropped_total 6`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(text, `cause="idle",server=`) {
		t.Error("what never happened is listed by server")
	}
	f := newFarm()
	f.change(func(v *Figures) { v.Draining = true })
	if draining := ask(shut(f, ""), "GET", "/metrics", "").Body.String(); !strings.Contains(draining, "\npen_ready 0\n") {
		t.Error("one that drains is ready")
	}
}

// A scrape reads the figures once, so that what it tells is of one moment.
func TestScrapeSamplesOnce(t *testing.T) {
	f := newFarm()
	s := shut(f, "")
	before := f.sampled()
	ask(s, "GET", "/metrics", "")
	if n := f.sampled() - before; n != 1 {
		t.Errorf("%d samples", n)
	}
}

// The dashboard and the alerts ask for metrics that there are, and every metric of pen's is on the dashboard or in an alert.
func TestDashboardAndAlerts(t *testing.T) {
	text := ask(shut(newFarm(), ""), "GET", "/metrics", "").Body.String()
	names := func(text string) []string {
		all := regexp.MustCompile(`\bpen_[a-z_]+`).FindAllString(text, -1)
		slices.Sort(all)
		return slices.Compact(all)
	}
	var there []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (pen_\S+)`).FindAllStringSubmatch(text, -1) {
		there = append(there, m[1])
	}
	var used []string
	for _, file := range []string{"grafana.json", "alerts.yml"} {
		content, err := os.ReadFile(filepath.Join("..", "..", "docs", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names(string(content)) {
			name = strings.TrimSuffix(name, "_bucket") // of a histogram
			if !slices.Contains(there, name) {
				t.Errorf("%s: there is no metric %s", file, name)
			}
			used = append(used, name)
		}
	}
	for _, name := range there {
		if !slices.Contains(used, name) {
			t.Errorf("%s is in neither", name)
		}
	}
}
