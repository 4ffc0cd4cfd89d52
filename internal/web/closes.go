package web

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"pen/internal/account"
)

// closesFor is how long the last abnormal endings are shown before the loops are asked again, however many watch.
const closesFor = 2 * time.Second

// Ending is the trail of one connection that ended abnormally. The times are seconds from the accept on; nil: it did not come to that.
type Ending struct {
	Ended     time.Time `json:"ended"`
	Number    int       `json:"number"` // of the connection
	Client    string    `json:"client"` // "unix": on a Unix socket
	Server    string    `json:"server"` // "" = none
	Why       string    `json:"why"`    // the rule that chose it
	Cause     string    `json:"cause"`
	Error     string    `json:"error"` // behind the cause; "" = none
	Connected *float64  `json:"connected,omitempty"`
	FirstUp   *float64  `json:"first_up,omitempty"`
	FirstDown *float64  `json:"first_down,omitempty"`
	Lasted    float64   `json:"lasted"`
	BytesUp   uint64    `json:"bytes_up"`
	BytesDown uint64    `json:"bytes_down"`
}

func ending(t *account.Trail) Ending {
	e := Ending{
		Ended: moment(t.Ended), Number: t.Number, Client: "unix", Server: t.Server, Why: t.Why, Cause: t.Cause.String(),
		Connected: since(t.Connected), FirstUp: since(t.FirstUp), FirstDown: since(t.FirstDown), Lasted: t.Lasted.Seconds(), BytesUp: t.Up, BytesDown: t.Down,
	}
	if t.Client.IsValid() {
		e.Client = t.Client.String()
	}
	if t.Errno != 0 {
		e.Error = t.Errno.Error()
	}
	return e
}

func since(d time.Duration) *float64 {
	if d == account.Never {
		return nil
	}
	seconds := d.Seconds()
	return &seconds
}

// lately is the last abnormal endings, as they were a short while ago.
type lately struct {
	mu sync.Mutex
	// guarded by mu
	at   time.Time // when they were asked for; zero = never
	list []Ending  // the latest first; never written to
}

// closes returns the last abnormal endings, the latest first. They may be closesFor old.
func (s *Window) closes() []Ending {
	l := &s.lately
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.at) < closesFor {
		return l.list
	}
	trails := s.world.Closes()
	slices.Reverse(trails)
	l.list = make([]Ending, 0, mostListed)
	for i := range trails[:min(len(trails), mostListed)] {
		l.list = append(l.list, ending(&trails[i]))
	}
	l.at = time.Now()
	return l.list
}

func (s *Window) getCloses(w http.ResponseWriter, _ *http.Request) { reply(w, s.closes()) }
