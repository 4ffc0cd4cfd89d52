package backend

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// MaxServers is how many identities one process can know in its life. At 128 bytes each that is 512 KiB, most of it never touched.
const MaxServers = 4096

// chunkLen slots are allocated together: 8 KiB, a size that the Go allocator aligns to a page, so that no slot straddles a cache line.
const chunkLen = 64

// ID names one server identity for the life of the process. IDs are given out from 1 and never reused.
type ID uint32

// None is no server.
const None ID = 0

// Slots holds the slot of every server ever named. All methods are safe for concurrent use; Get takes no lock.
type Slots struct {
	// atomic: Claim writes, under mu, before it gives the id out
	chunks [MaxServers / chunkLen]atomic.Pointer[[chunkLen]Slot]

	mu sync.Mutex
	// guarded by mu
	ids   map[string]ID
	names []string // identities by id, from 1
}

// NewSlots returns an empty set. Slot memory is allocated 8 KiB at a time, as identities are claimed.
func NewSlots() *Slots {
	return &Slots{ids: make(map[string]ID)}
}

// Claim returns the id of a server identity, a new one the first time that the identity is named. A new slot is up, not drained, not banned, and all its counts are 0.
// A server that leaves the configuration keeps its slot, so that one that comes back finds its ban and its counts; the error says that MaxServers have been named.
func (s *Slots) Claim(identity string) (ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, ok := s.ids[identity]; ok {
		return id, nil
	}
	n := len(s.ids)
	if n == MaxServers {
		return None, fmt.Errorf("claim a slot for server %s: all %d are taken by servers named since the start; restart to forget those that are gone", identity, MaxServers)
	}
	if n%chunkLen == 0 {
		s.chunks[n/chunkLen].Store(new([chunkLen]Slot))
	}
	id := ID(n + 1)
	s.ids[identity] = id
	s.names = append(s.names, identity)
	return id, nil
}

// Identity returns the identity that a claimed id was given out for.
func (s *Slots) Identity(id ID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[id-1]
}

// Get returns the slot of a claimed id: never nil, and always the same one. Any other id, None among them, is a bug of the caller and may panic.
func (s *Slots) Get(id ID) *Slot {
	i := uint32(id) - 1
	return &s.chunks[i/chunkLen].Load()[i%chunkLen]
}
