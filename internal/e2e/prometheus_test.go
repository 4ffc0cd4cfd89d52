package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// monitor is a Prometheus server of Debian's that scrapes a window five times a second and evaluates docs/alerts.yml as often.
type monitor struct {
	t    *testing.T
	base string
}

func startMonitor(t *testing.T, of *window) *monitor {
	t.Helper()
	rules, err := filepath.Abs(filepath.Join("..", "..", "docs", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), freePort(t)
	file := filepath.Join(dir, "prometheus.yml")
	config := fmt.Sprintf("global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }\nrule_files: [ %s ]\nscrape_configs:\n- job_name: pen\n  static_configs: [ { targets: [ '%s' ] } ]\n",
		rules, strings.TrimPrefix(of.base, "http://"))
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	m := &monitor{t: t, base: fmt.Sprint("http://127.0.0.1:", port)}
	log := &logBuffer{}
	cmd := exec.Command("prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), fmt.Sprint("--web.listen-address=127.0.0.1:", port))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start prometheus: %v (scripts/need prometheus)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		http.DefaultClient.CloseIdleConnections()
		if t.Failed() {
			t.Log(log.tail())
		}
	})
	eventually(t, startLimit, "prometheus is ready", func() bool {
		resp, err := http.Get(m.base + "/-/ready")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return m
}

// get reads the answer of one of its questions.
func (m *monitor) get(path string, data any) {
	m.t.Helper()
	resp, err := http.Get(m.base + path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status != "success" {
		m.t.Errorf("%s: %s %s, %v", path, answer.Status, answer.Error, err)
	}
}

// value asks for an expression of one value, "" for none.
func (m *monitor) value(expression string) string {
	m.t.Helper()
	var data struct{ Result []struct{ Value [2]any } }
	if m.get("/api/v1/query?query="+url.QueryEscape(expression), &data); len(data.Result) == 0 {
		return ""
	}
	return fmt.Sprint(data.Result[0].Value[1])
}

// A real Prometheus scrapes pen, takes its rules and its dashboard's questions, and sees what happens; promtool finds nothing to say.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	servers, addresses := serveNamed(t, 2)
	w := openWindow(t, "raw", nil, addresses...)
	for i := range 10 {
		mustVisit(t, client(i, w.address), w.address)
	}
	w.becomes("/readyz", 200)

	_, text := w.get("/metrics")
	lint := exec.Command("promtool", "check", "metrics")
	lint.Stdin = strings.NewReader(text)
	if out, err := lint.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v: %s", err, out)
	}
	if code, out := run(t, "promtool", "check", "rules", filepath.Join("..", "..", "docs", "alerts.yml")); code != 0 || !strings.Contains(out, "SUCCESS") {
		t.Errorf("promtool check rules: status %d: %s", code, out)
	}

	m := startMonitor(t, w)
	eventually(t, patience, "pen is scraped", func() bool { return m.value("up") == "1" && m.value("pen_connections_accepted_total") == "10" })
	for _, address := range addresses {
		if got := m.value(fmt.Sprintf(`pen_server_connects_total{server="%s"}`, address)); got != "5" {
			t.Errorf("%q connects to %s, want 5", got, address)
		}
	}
	if series := m.value(`scrape_samples_scraped`); series != "" {
		shown(t, "prometheus scrapes %s samples; promtool check metrics and check rules find nothing", series)
	}

	// Every question of the dashboard is one that Prometheus understands.
	dashboard, err := os.ReadFile(filepath.Join("..", "..", "docs", "grafana.json"))
	if err != nil {
		t.Fatal(err)
	}
	questions := regexp.MustCompile(`"expr": ("(?:[^"\\]|\\.)*")`).FindAllSubmatch(dashboard, -1)
	for _, q := range questions {
		var expression string
		if err := json.Unmarshal(q[1], &expression); err != nil {
			t.Fatal(err)
		}
		m.value(strings.NewReplacer("$job", "pen", "$__rate_interval", "5s", "$instance", ".*").Replace(expression))
	}
	if len(questions) < 10 {
		t.Errorf("the dashboard asks %d questions", len(questions))
	}

	// The rules are evaluated without an error, and one that holds is on its way to an alert.
	for _, s := range servers {
		s.close()
	}
	eventually(t, patience, "no server is usable, and the rule has noticed", func() bool { return m.value(`ALERTS{alertname="PenNotReady",alertstate="pending"}`) == "1" })
	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	m.get("/api/v1/rules", &rules)
	if len(rules.Groups) == 0 {
		t.Error("prometheus has no rules")
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Health != "ok" {
				t.Errorf("rule %s: %s %s", r.Name, r.Health, r.LastError)
			}
		}
	}
}
