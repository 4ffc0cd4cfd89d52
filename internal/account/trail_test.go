package account

import "testing"

func TestClosesKeepTheLast(t *testing.T) {
	var c Closes
	for _, n := range []int{0, 1, closesKept - 1, closesKept, closesKept + 1, 3*closesKept + 7} {
		for c.next < n {
			c.Keep(&Trail{Number: c.next})
		}
		want := max(0, n-closesKept)
		for trail := range c.Each {
			if trail.Number != want {
				t.Fatalf("after %d: %d, want %d", n, trail.Number, want)
			}
			want++
		}
		if want != n {
			t.Errorf("after %d endings the last is %d", n, want-1)
		}
	}
}

func TestEveryCauseHasAName(t *testing.T) {
	seen := map[string]bool{}
	for c := range nCauses {
		if name := c.String(); name == "" || seen[name] {
			t.Errorf("cause %d is called %q", c, name)
		}
		seen[c.String()] = true
	}
}
