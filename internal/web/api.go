package web

import (
	"container/heap"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
)

// route is one thing that can be asked or done. The API file describes every one of them.
type route struct {
	method, path string
	handle       http.HandlerFunc
}

func (s *Window) routes() []route {
	return []route{
		{"GET", "/", s.getPage},
		{"GET", "/metrics", s.metricsHandler()},
		{"GET", "/healthz", getHealth},
		{"GET", "/readyz", s.getReady},
		{"GET", "/api/v1/openapi.yaml", getDescription},
		{"GET", "/api/v1/figures", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.figures()) }},
		{"GET", "/api/v1/events", s.getEvents},
		{"GET", "/api/v1/totals", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.figures().Totals) }},
		{"GET", "/api/v1/loops", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.figures().Loops) }},
		{"GET", "/api/v1/servers", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.figures().Servers) }},
		{"GET", "/api/v1/servers/{number}", s.getServer},
		{"GET", "/api/v1/clients", s.getClients},
		{"GET", "/api/v1/explain", s.getExplanation},
		{"GET", "/api/v1/simulate", s.getSimulation},
		{"GET", "/api/v1/connections", s.getConnections},
		{"GET", "/api/v1/closes", s.getCloses},
		{"GET", "/api/v1/config", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.world.Settings()) }},
		{"POST", "/api/v1/servers/{number}/drain", s.act(drain)},
		{"POST", "/api/v1/servers/{number}/undrain", s.act(undrain)},
		{"POST", "/api/v1/servers/{number}/blacklist", s.act(blacklist)},
		{"POST", "/api/v1/servers/{number}/weight", s.act(weight)},
	}
}

func (s *Window) handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		path := r.path
		if path == "/" {
			path = "/{$}" // and nothing below it
		}
		mux.HandleFunc(r.method+" "+path, r.handle)
	}
	return s.guard(mux)
}

// reply answers with JSON.
func reply(w http.ResponseWriter, v any) { answer(w, http.StatusOK, v) }

// refuse answers with an error.
func refuse(w http.ResponseWriter, status int, err error) {
	answer(w, status, map[string]string{"error": err.Error()})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who asked may have gone
}

// getHealth says that the process answers.
func getHealth(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") }

// getReady says whether a new client would be served, for whoever leads clients here or elsewhere.
func (s *Window) getReady(w http.ResponseWriter, _ *http.Request) {
	switch f := s.world.Figures(); {
	case f.Draining:
		say(w, http.StatusServiceUnavailable, "draining")
	case !f.Ready:
		say(w, http.StatusServiceUnavailable, "no server is usable")
	default:
		say(w, http.StatusOK, "ready")
	}
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

func (s *Window) getServer(w http.ResponseWriter, r *http.Request) {
	if server, ok := s.server(w, r); ok {
		reply(w, server)
	}
}

// server finds the server that the path names, or answers that there is none.
func (s *Window) server(w http.ResponseWriter, r *http.Request) (v Server, ok bool) {
	number, err := strconv.Atoi(r.PathValue("number"))
	servers := s.world.Figures().Servers
	at := slices.IndexFunc(servers, func(v Server) bool { return v.Number == number })
	if err != nil || at < 0 {
		refuse(w, http.StatusNotFound, fmt.Errorf("there is no server %q", r.PathValue("number")))
		return v, false
	}
	return servers[at], true
}

// alone waits until nobody else goes through what may be long, and is false if who asks has gone by then. The caller calls done.
func (s *Window) alone(r *http.Request) (done func(), ok bool) {
	select {
	case s.scan <- struct{}{}:
		return func() { <-s.scan }, true
	case <-r.Context().Done():
		return nil, false
	}
}

// mostListed is how many clients or connections one answer has. More are counted only.
const mostListed = 100

// listing is an answer that may be cut short.
type listing[T any] struct {
	Total int `json:"total"` // that match
	List  []T `json:"list"`  // mostListed of them
}

// getClients lists the clients that the query's address, or the prefix a.b.c.d/n, names; without one, all. The last seen come first.
func (s *Window) getClients(w http.ResponseWriter, r *http.Request) {
	found, err := s.clients(r, r.FormValue("address"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	reply(w, found)
}

func (s *Window) clients(r *http.Request, query string) (found listing[Client], err error) {
	found.List = []Client{}
	if query == "unix" {
		query = "" // there is one such client, and only where there is no other
	}
	if addr, err := netip.ParseAddr(query); err == nil {
		if c, ok := s.world.Client(addr); ok {
			found = listing[Client]{1, []Client{c}}
		}
		return found, nil
	}
	var within netip.Prefix
	if query != "" {
		if within, err = netip.ParsePrefix(query); err != nil {
			return found, fmt.Errorf("%q is neither an address nor a prefix such as 10.1.0.0/16", query)
		}
	}
	done, ok := s.alone(r)
	if !ok {
		return found, r.Context().Err()
	}
	defer done()
	var latest latestClients
	s.world.Clients(func(c Client) bool {
		if within.IsValid() {
			if addr, err := netip.ParseAddr(c.Address); err != nil || !within.Contains(addr) {
				return true
			}
		}
		found.Total++
		latest.add(c)
		return r.Context().Err() == nil
	})
	found.List = append(found.List, latest...)
	slices.SortStableFunc(found.List, func(a, b Client) int { return b.LastSeen.Compare(a.LastSeen) })
	return found, nil
}

// latestClients is a heap of the mostListed clients seen last, the one of them seen first on top.
type latestClients []Client

func (l *latestClients) add(c Client) {
	switch {
	case len(*l) < mostListed:
		heap.Push(l, c)
	case c.LastSeen.After((*l)[0].LastSeen):
		(*l)[0] = c
		heap.Fix(l, 0)
	}
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (l latestClients) Len() int           { return len(l) }
func (l latestClients) Less(i, j int) bool { return l[i].LastSeen.Before(l[j].LastSeen) }
func (l latestClients) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *latestClients) Push(c any)        { *l = append(*l, c.(Client)) }
func (l *latestClients) Pop() any          { panic("web: nothing is popped") }

// getExplanation says where the client of the query's address would go now and why.
func (s *Window) getExplanation(w http.ResponseWriter, r *http.Request) {
	addr, err := netip.ParseAddr(r.FormValue("address"))
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("%q is not an address", r.FormValue("address")))
		return
	}
	done, ok := s.alone(r)
	if !ok {
		return
	}
	steps, err := s.world.Explain(addr)
	done()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	reply(w, steps)
}

// getConnections lists the first of the open connections.
func (s *Window) getConnections(w http.ResponseWriter, r *http.Request) {
	done, ok := s.alone(r)
	if !ok {
		return
	}
	all := s.world.Connections()
	done()
	reply(w, listing[Connection]{len(all), append([]Connection{}, all[:min(len(all), mostListed)]...)})
}
