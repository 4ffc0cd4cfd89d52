package balance

// Attempt is one connection's walk over the servers, from its first Choose to Connected or to the Choose that finds none. The zero Attempt is ready.
// It goes by the plan it began with, and keeps it from being collected until Connected or the owner clears it.
type Attempt struct {
	// owned by the connection
	plan    *published
	tried   [triedBits / 64]uint64 // servers that the walk answered with
	initial uint16                 // place of the server that the walk begins with, or nowhere
	turn    uint16                 // of the walk: the next server is the one at initial + turn
	stage   stage
	home    home
	why     Why // the initial server is what it is
	past    past
}

// past is what an Attempt has met so far, any of these together.
type past uint8

const (
	emergencyTried past = 1 << iota // it answered with the emergency server
	metFull                         // a server that is well was passed over for its limit
	visited                         // the client's visit is counted already
	clientKnown                     // the client was remembered with a server of the plan
	refusalNote                     // times the Refusal, of two bits
)

// Known says that the client had come before and was remembered with a server of the plan, be it that it is led there or, under -r, that it was led there last.
func (a *Attempt) Known() bool { return a.past&clientKnown != 0 }

// triedBits is how many servers an Attempt can tell apart: as many as fit its 32 bytes. In a larger plan neighbours share a bit, which costs something only
// when all is lost: failing open passes over a server whose neighbour has been tried.
const triedBits = 128

// stage is how far an Attempt has come.
//
//	walking ──► emergency ──► failingOpen ──► lastResort ──► over
//	   └── stubborn ───────────────────────────────────────────┤
//	refused ───────────────────────────────────────────────────┘
type stage uint8

const (
	walking     stage = iota // the initial server and those after it
	emergency                // the emergency server
	failingOpen              // those passed over on automatic verdicts
	lastResort               // the emergency server, if it was passed over on automatic verdicts
	over
	refused // the abuse server, or nobody
)

// Refusal is why a client gets none of the servers, whatever their state.
type Refusal uint8

// The refusals.
const (
	NotRefused Refusal = iota
	Denied             // it may not come in
	TooMany            // it has as many live connections as one client may
	TooFast            // it makes connections faster than one client may
)

// Refusal is why the client was turned away or got the abuse server: if Choose found no server, that is why.
func (a *Attempt) Refusal() Refusal { return Refusal(a.past / refusalNote) }

// Stay is what the client table has counted the connection in by.
func (a *Attempt) Stay() Stay { return Stay{a.plan.Prefix, a.Refusal() == NotRefused} }

// restartAt begins the same stage anew at the client's home, which another connection of the client has settled meanwhile.
// Invariant: this Attempt has answered with no server of the walk yet, so none comes up twice.
func (a *Attempt) restartAt(home int) {
	a.initial, a.turn, a.why = uint16(home), 0, Affinity
}

// turns is how many servers the walk has. With nowhere to begin it has none: the algorithm's word is that no server is to have this client (PEN.md 1.4 item 4).
func (a *Attempt) turns() uint16 {
	switch {
	case a.initial == nowhere:
		return 0
	case a.plan.Stubborn:
		return 1
	default:
		return uint16(len(a.plan.Servers))
	}
}

// next returns the walk's next server: the initial one, then the one after it, and so on round, each once.
func (a *Attempt) next() (i int, more bool) {
	if a.turn >= a.turns() {
		return nobody, false
	}
	a.turn++
	return a.lastPlace(), true
}

// lastPlace is the server that next returned last. Without a walk so far it means nothing.
func (a *Attempt) lastPlace() int {
	i := int(a.initial) + int(a.turn) - 1
	if n := len(a.plan.Servers); i >= n {
		i -= n
	}
	return i
}

func (a *Attempt) afterWalk() stage {
	if a.plan.Stubborn {
		return over
	}
	return emergency
}

// reason says why the walk answers with server i.
func (a *Attempt) reason(i int) Why {
	if i == int(a.initial) {
		return a.why
	}
	return Failover
}

func (a *Attempt) markTried(i int) {
	bit := i / a.plan.group
	a.tried[bit/64] |= 1 << (bit % 64)
}

func (a *Attempt) wasTried(i int) bool {
	bit := i / a.plan.group
	return a.tried[bit/64]&(1<<(bit%64)) != 0
}
