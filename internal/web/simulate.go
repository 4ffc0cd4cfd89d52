package web

import (
	"errors"
	"net/http"
	"strings"

	"pen/internal/balance"
)

// Forecast is who would be led elsewhere, and how the servers would be loaded.
type Forecast struct {
	Clients     Movement `json:"clients"`
	Connections Movement `json:"connections"`
	Servers     []Load   `json:"servers"` // by number, the emergency and the abuse server and nowhere last
}

// Movement is what would become of many.
type Movement struct {
	Total int    `json:"total"`
	Moved int    `json:"moved"`
	Moves []Move `json:"moves"` // mostListed of them, the most numerous first
}

// Move is how many would go from one place to another.
type Move struct {
	From  Place `json:"from"`
	To    Place `json:"to"`
	Count int   `json:"count"`
}

// Place is a server, or nowhere, which has no name.
type Place struct {
	Number int    `json:"number"` // -1: the emergency server; -2: the abuse server; -3: nowhere, or a server that is no more
	Name   string `json:"name"`
}

// Load is who is on a server now and who would be then.
type Load struct {
	Place
	ClientsNow      int `json:"clients_now"`
	ClientsThen     int `json:"clients_then"`
	ConnectionsNow  int `json:"connections_now"`
	ConnectionsThen int `json:"connections_then"`
}

func forecast(s *balance.Simulation) *Forecast {
	f := &Forecast{Clients: movement(&s.Clients), Connections: movement(&s.Connections), Servers: []Load{}}
	for _, l := range s.Servers {
		f.Servers = append(f.Servers, Load{Place(l.Place), l.ClientsNow, l.ClientsThen, l.ConnectionsNow, l.ConnectionsThen})
	}
	return f
}

func movement(m *balance.Movement) Movement {
	to := Movement{Total: m.Total, Moved: m.Moved, Moves: []Move{}}
	for _, v := range m.Moves[:min(len(m.Moves), mostListed)] {
		to.Moves = append(to.Moves, Move{Place(v.From), Place(v.To), v.Count})
	}
	return to
}

// errBusy is the error of a simulation while another is under way: each goes through the whole client table.
var errBusy = errors.New("another simulation is under way; ask again in a second")

// simulate says what a command would change. It does not wait for another simulation, only for whoever else goes through the table.
func (s *Window) simulate(r *http.Request, command string) (*Forecast, error) {
	select {
	case s.supposing <- struct{}{}:
	default:
		return nil, errBusy
	}
	defer func() { <-s.supposing }()
	done, ok := s.alone(r)
	if !ok {
		return nil, r.Context().Err()
	}
	defer done()
	simulated, err := s.world.Simulate(command)
	if err != nil {
		return nil, err
	}
	return forecast(simulated), nil
}

// getSimulation answers what the query's command would change.
func (s *Window) getSimulation(w http.ResponseWriter, r *http.Request) {
	f, err := s.simulate(r, r.FormValue("what"))
	switch {
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, err)
	case err != nil:
		refuse(w, http.StatusBadRequest, err)
	default:
		reply(w, f)
	}
}

// change is what may be supposed of a server on the page: a word of `simulate server N`, and how the page calls it.
type change struct {
	Word, Text string
	Valued     bool // a number follows
}

var changes = []change{
	{"down", "is down", false}, {"up", "is up", false}, {"drain", "is drained", false}, {"undrain", "is no longer drained", false},
	{"blacklist", "is blacklisted, seconds", true}, {"weight", "has the weight", true},
}

// whatIf is the part of the page that simulates, for browsers that run no script.
type whatIf struct {
	Server, Word, Value string // as asked
	Changes             []change
	Forecast            *Forecast // nil: nothing was asked, or Trouble says why not
	Trouble             string
}

func (s *Window) whatIf(r *http.Request) whatIf {
	v := whatIf{Server: r.FormValue("server"), Word: r.FormValue("change"), Value: r.FormValue("value"), Changes: changes}
	for _, c := range changes {
		if c.Word != v.Word {
			continue
		}
		command := []string{"server", v.Server, v.Word}
		if c.Valued {
			command = append(command, v.Value)
		}
		var err error
		if v.Forecast, err = s.simulate(r, strings.Join(command, " ")); err != nil {
			v.Trouble = err.Error()
		}
	}
	return v
}
