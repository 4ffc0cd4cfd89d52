package web

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pen/internal/account"
)

// Tally is what is counted of the connections of one server.
type Tally struct {
	Ended          map[string]uint64 `json:"ended"`            // by cause; those that did not happen are left out
	ConnectTimes   Times             `json:"connect_times"`    // from the choice of the server to the connection standing
	FirstByteTimes Times             `json:"first_byte_times"` // from there to the server's first byte
}

// NewTally names the figures of a server.
func NewTally(t *account.ServerTotals) Tally {
	named := Tally{Ended: map[string]uint64{}, ConnectTimes: newTimes(&t.Connects), FirstByteTimes: newTimes(&t.FirstByte)}
	for i, n := range t.Ended {
		if n > 0 {
			named.Ended[account.Cause(i).String()] = n
		}
	}
	return named
}

// Other is what is counted of connections that had no server, whose name is empty, or of a server that has left the plan.
type Other struct {
	Name string `json:"name"`
	Tally
}

// Times is how long something took, in seconds.
type Times struct {
	Count   uint64   `json:"count"`
	Sum     float64  `json:"sum"`
	P50     *float64 `json:"p50,omitempty"` // nil: it has not happened
	P99     *float64 `json:"p99,omitempty"`
	Classes []uint64 `json:"classes"` // how many took no longer than each of Bounds, and longer than the one before; the last, longer than all
}

func newTimes(t *account.Times) Times {
	v := Times{Count: t.Count(), Sum: t.Sum.Seconds(), Classes: slices.Clone(t.Classes[:])}
	if v.Count > 0 {
		half, most := t.Quantile(.5).Seconds(), t.Quantile(.99).Seconds()
		v.P50, v.P99 = &half, &most
	}
	return v
}

// Bounds are those of the classes of Times, seconds.
var Bounds = func() (list []float64) {
	for _, d := range account.Bounds {
		list = append(list, d.Seconds())
	}
	return list
}()

// Checks is how the health checks of a server have gone.
type Checks struct {
	Passed uint64  `json:"passed"`
	Failed uint64  `json:"failed"`
	Void   uint64  `json:"void"` // that failed by our own trouble and say nothing
	Last   float64 `json:"last"` // seconds that the last one took; 0 = there was none
}

// Loop is one event loop.
type Loop struct {
	Number      int     `json:"number"`
	CPU         *int    `json:"cpu,omitempty"` // nil: not pinned
	Connections int64   `json:"connections"`
	Accepted    uint64  `json:"accepted"`
	BytesUp     uint64  `json:"bytes_up"`
	BytesDown   uint64  `json:"bytes_down"`
	Events      uint64  `json:"events"`
	Stale       uint64  `json:"stale_events"`
	Busy        float64 `json:"busy"` // seconds not spent waiting, an estimate
}

// NewLoop names the figures of a loop.
func NewLoop(number int, cpu *int, t *account.Totals) Loop {
	return Loop{
		Number: number, CPU: cpu, Connections: t.Live, Accepted: t.Counts[account.Accepted], BytesUp: t.Counts[account.BytesUp], BytesDown: t.Counts[account.BytesDown],
		Events: t.Counts[account.Events], Stale: t.Counts[account.Stale], Busy: time.Duration(t.Counts[account.BusyTime]).Seconds(),
	}
}

// imbalanceOver is the least time that the imbalance of the loops is measured over. In less, chance is all that there is to be seen.
const imbalanceOver = 10 * time.Second

// imbalance follows how evenly the loops accept.
type imbalance struct {
	mu sync.Mutex
	// guarded by mu
	since    time.Time
	accepted []uint64 // by each loop, then
	ratio    float64  // over the interval before that; 0 = there has been none
}

// measure is what the loop that accepted most accepted, divided by the mean, over the last interval that is over: 1 is even, and the number of loops is as uneven as can be.
// An interval is over when somebody asks, imbalanceOver after it began or later.
func (m *imbalance) measure(loops []Loop, now time.Time) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.since) >= imbalanceOver {
		var most, sum uint64
		for i, l := range loops {
			n := l.Accepted
			if m.accepted != nil {
				n -= m.accepted[i]
			}
			most, sum = max(most, n), sum+n
		}
		m.ratio = 1
		if sum > 0 {
			m.ratio = float64(most) * float64(len(loops)) / float64(sum)
		}
		m.since, m.accepted = now, nil
		for _, l := range loops {
			m.accepted = append(m.accepted, l.Accepted)
		}
	}
	return m.ratio
}

// figures are the world's, and how evenly the loops accept.
func (s *Window) figures() Figures {
	f := s.world.Figures()
	f.Loops.Imbalance = s.imbalance.measure(f.Loops.Each, f.Time)
	return f
}

// timeText writes seconds in a unit that suits them; nil is none.
func timeText(seconds *float64) string {
	if seconds == nil {
		return "–"
	}
	v, unit := *seconds*1e6, 0
	for v >= 999.5 && unit < 2 {
		v, unit = v/1000, unit+1
	}
	digits := 0
	if unit > 0 && v < 9.95 {
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + "\u202f" + []string{"µs", "ms", "s"}[unit]
}

// lastly writes what a last time took, of which 0 is none.
func lastly(seconds float64) string {
	if seconds == 0 {
		return timeText(nil)
	}
	return timeText(&seconds)
}

// endingsText lists endings, the most frequent first.
func endingsText(ended map[string]uint64) string {
	causes := slices.SortedFunc(maps.Keys(ended), func(a, b string) int { return cmp.Or(cmp.Compare(ended[b], ended[a]), cmp.Compare(a, b)) })
	for i, cause := range causes {
		causes[i] = strings.ReplaceAll(cause, "_", " ") + " " + grouped(strconv.FormatUint(ended[cause], 10))
	}
	return strings.Join(causes, ", ")
}

// Uptime is how long the process has served.
func (f Figures) Uptime() time.Duration { return f.Time.Sub(f.Started) }

// shareText is a share of some time, in percent.
func shareText(busy float64, of time.Duration) string {
	return fmt.Sprintf("%.0f\u202f%%", 100*min(busy/max(of.Seconds(), 1), 1))
}
