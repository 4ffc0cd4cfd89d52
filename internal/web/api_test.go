package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// The API file is sound, describes every route and no other, and every answer is as it says.
func TestAPIFile(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(description)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	var described, served []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	f := newFarm()
	s := shut(f, secret)
	for _, r := range s.routes() {
		served = append(served, r.method+" "+r.path)
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described\n%s\nserved\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}

	mux := http.NewServeMux() // tells which route a request is of
	for _, r := range s.routes() {
		mux.HandleFunc(r.method+" "+strings.TrimSuffix(r.path, "/")+map[bool]string{true: "/{$}"}[r.path == "/"], r.handle)
	}
	seen := map[string]bool{"GET /api/v1/events": true} // its answer does not end: TestStreamFollowsTheWorld
	for _, c := range []struct {
		request, body string
		status        int
	}{
		{"GET /", "", 200},
		{"GET /metrics", "", 200},
		{"GET /healthz", "", 200},
		{"GET /readyz", "", 200},
		{"GET /api/v1/openapi.yaml", "", 200},
		{"GET /api/v1/figures", "", 200},
		{"GET /api/v1/totals", "", 200},
		{"GET /api/v1/loops", "", 200},
		{"GET /api/v1/servers", "", 200},
		{"GET /api/v1/servers/2", "", 200},
		{"GET /api/v1/servers/-1", "", 200},
		{"GET /api/v1/servers/7", "", 404},
		{"GET /api/v1/clients", "", 200},
		{"GET /api/v1/clients?address=10.0.0.1", "", 200},
		{"GET /api/v1/clients?address=10.9.9.9", "", 200},
		{"GET /api/v1/clients?address=nobody", "", 400},
		{"GET /api/v1/explain?address=10.0.0.1", "", 200},
		{"GET /api/v1/explain?address=nobody", "", 400},
		{"GET /api/v1/explain?address=::1", "", 500},
		{"GET /api/v1/simulate?what=server+0+down", "", 200},
		{"GET /api/v1/simulate?what=frob", "", 400},
		{"GET /api/v1/connections", "", 200},
		{"GET /api/v1/closes", "", 200},
		{"GET /api/v1/config", "", 200},
		{"POST /api/v1/servers/0/drain", "", 200},
		{"POST /api/v1/servers/0/undrain", "", 200},
		{"POST /api/v1/servers/0/blacklist", `{"seconds":5}`, 200},
		{"POST /api/v1/servers/0/weight", `{"weight":5}`, 200},
		{"POST /api/v1/servers/0/weight", `{"seconds":5}`, 400},
		{"POST /api/v1/servers/-1/drain", "", 409},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		got := ask(s, method, path, c.body, "Authorization", "Bearer "+secret, "Content-Type", "application/json")
		if got.Code != c.status {
			t.Errorf("%s: %d, want %d: %s", c.request, got.Code, c.status, got.Body)
			continue
		}
		_, pattern := mux.Handler(httptest.NewRequest(method, path, nil))
		pattern = strings.TrimSuffix(pattern, "{$}")
		seen[pattern] = true
		_, path, _ = strings.Cut(pattern, " ")
		if err := asDescribed(doc.Paths.Value(path).GetOperation(method), got); err != nil {
			t.Errorf("%s: %v", c.request, err)
		}
	}
	for _, route := range served {
		if !seen[route] {
			t.Errorf("%s is not tried", route)
		}
	}
}

// asDescribed holds an answer against what the file says of it.
func asDescribed(op *openapi3.Operation, got *httptest.ResponseRecorder) error {
	response := op.Responses.Status(got.Code)
	if response == nil {
		return fmt.Errorf("status %d is not described", got.Code)
	}
	kind, _, _ := strings.Cut(got.Header().Get("Content-Type"), ";")
	content := response.Value.Content[kind]
	if content == nil {
		return fmt.Errorf("status %d: %q is not described", got.Code, kind)
	}
	if kind != "application/json" {
		return nil
	}
	var value any
	if err := json.Unmarshal(got.Body.Bytes(), &value); err != nil {
		return err
	}
	return content.Schema.Value.VisitJSON(value)
}

func TestReadiness(t *testing.T) {
	f := newFarm()
	s := shut(f, "")
	for _, c := range []struct {
		ready, draining bool
		status          int
	}{{true, false, 200}, {false, false, 503}, {true, true, 503}} {
		f.change(func(v *Figures) { v.Ready, v.Draining = c.ready, c.draining })
		if got := ask(s, "GET", "/readyz", "").Code; got != c.status {
			t.Errorf("ready %v, draining %v: %d", c.ready, c.draining, got)
		}
		if got := ask(s, "GET", "/healthz", "").Code; got != 200 {
			t.Errorf("healthz is %d", got)
		}
	}
}

// However many ask for the last endings, the loops are asked once in a while.
func TestClosesAreAskedForOnce(t *testing.T) {
	f := newFarm()
	s := shut(f, "")
	aged := func(by time.Duration) {
		s.lately.mu.Lock()
		defer s.lately.mu.Unlock()
		s.lately.at = time.Now().Add(-by)
	}
	for range 10 {
		var got []map[string]any
		if err := json.Unmarshal(ask(s, "GET", "/api/v1/closes", "").Body.Bytes(), &got); err != nil || len(got) != mostListed {
			t.Fatalf("%d endings, %v", len(got), err)
		}
		first := got[0]
		if _, never := first["first_up"]; never || first["number"] != 129. || first["connected"] != .001 || first["cause"] != "server_reset" || first["error"] != "connection reset by peer" {
			t.Fatalf("the latest is %v", first)
		}
		aged(0)
	}
	aged(closesFor)
	ask(s, "GET", "/api/v1/closes", "")
	if f.asked != 2 {
		t.Errorf("asked %d times", f.asked)
	}
}

func TestClients(t *testing.T) {
	f := newFarm()
	f.clients = 1000
	s := shut(f, "")
	for query, total := range map[string]int{"": 1000, "10.0.0.0/8": 1000, "10.0.1.0/24": 256, "10.0.3.231": 1, "10.0.3.232": 0, "::/0": 0, "10.0.0.0/25": 128} {
		var got struct {
			Total int
			List  []Client
		}
		answer := ask(s, "GET", "/api/v1/clients?address="+query, "")
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || got.Total != total || len(got.List) != min(total, mostListed) {
			t.Errorf("%q: %d of %d, %v", query, len(got.List), got.Total, err)
			continue
		}
		if query == "" && !got.List[0].LastSeen.Equal(f.newest(0)) || len(got.List) == mostListed && total == 1000 && !got.List[mostListed-1].LastSeen.Equal(f.newest(mostListed-1)) {
			t.Errorf("%q: from %v to %v", query, got.List[0].LastSeen, got.List[len(got.List)-1].LastSeen)
		}
	}
}

// newest is when the nth of the clients seen last was seen: a thousand of them have a time of their own each.
func (f *farm) newest(n int) time.Time { return noon.Add(time.Duration(f.clients-1-n) * time.Second) }
