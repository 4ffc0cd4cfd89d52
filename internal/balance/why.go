package balance

// Why says which rule chose a server. It goes to the log, the counters and explain.
type Why uint8

const (
	Affinity   Why = iota // the client's home
	RoundRobin            // the next one, for a new client
	Weight                // the least loaded for its weight
	LeastConn             // the fewest live connections
	Hash                  // the client's address, Pen's old placement included
	Prio                  // the lowest priority number
	Failover              // the initial server would not do
	Emergency             // none of the servers would do
	Abuse                 // the client is denied
	FailOpen              // all are out on automatic verdicts, and one was tried against them
)

var whyNames = [...]string{
	Affinity: "affinity", RoundRobin: "roundrobin", Weight: "weight", LeastConn: "leastconn", Hash: "hash", Prio: "prio",
	Failover: "failover", Emergency: "emergency", Abuse: "abuse", FailOpen: "failopen",
}

// String returns the word that the log uses.
func (w Why) String() string { return whyNames[w] }
