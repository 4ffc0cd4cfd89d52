package backend

import (
	"fmt"
	"testing"
)

func TestSupposeClaimsNothing(t *testing.T) {
	s := NewSlots()
	a, err := s.Claim("a")
	if err != nil {
		t.Fatal(err)
	}
	suppose := s.Suppose()
	for i, c := range []struct {
		identity string
		want     ID
	}{{"b", 2}, {"a", a}, {"c", 3}, {"b", 2}} {
		if got, err := suppose(c.identity); got != c.want || err != nil {
			t.Errorf("step %d: %s would have id %d, %v; want %d", i, c.identity, got, err, c.want)
		}
	}
	if s.Len() != 1 {
		t.Errorf("%d identities are claimed, want 1", s.Len())
	}
	if c, err := s.Claim("c"); c != 2 || err != nil {
		t.Errorf("c has id %d, %v; want 2: nobody has claimed before", c, err)
	}
}

func TestSupposeEndsWhereClaimDoes(t *testing.T) {
	s := NewSlots()
	for i := range MaxServers - 1 {
		if _, err := s.Claim(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	suppose := s.Suppose()
	if id, err := suppose("last"); id != MaxServers || err != nil {
		t.Errorf("the last has id %d, %v", id, err)
	}
	if id, err := suppose("one more"); id != None || err == nil {
		t.Errorf("one more has id %d and no error", id)
	}
	if id, err := suppose("last"); id != MaxServers || err != nil {
		t.Errorf("the last now has id %d, %v", id, err)
	}
}
