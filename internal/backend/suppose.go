package backend

import "fmt"

// Len is how many identities have been claimed; their ids are 1 to Len.
func (s *Slots) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ids)
}

// Suppose returns what answers like Claim and claims nothing: an identity that has an id gets that one, a new one the id that it would get if the identities it is asked about
// were claimed in that order. The ids of new ones have no slot. It is for one goroutine.
func (s *Slots) Suppose() func(identity string) (ID, error) {
	supposed := make(map[string]ID)
	next := s.Len()
	return func(identity string) (ID, error) {
		s.mu.Lock()
		id, known := s.ids[identity]
		s.mu.Unlock()
		if !known {
			id, known = supposed[identity]
		}
		if known {
			return id, nil
		}
		if next == MaxServers {
			return None, fmt.Errorf("suppose a slot for server %s: all %d are taken", identity, MaxServers)
		}
		next++
		supposed[identity] = ID(next)
		return ID(next), nil
	}
}
