package forwarded

import (
	"fmt"
	"net/netip"
	"testing"

	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

var (
	here = netip.MustParseAddr("192.0.2.7")
	six  = netip.MustParseAddr("2001:db8::7")
	unix = netip.Addr{}
)

// result is all that can be seen of a filter after a stream.
type result struct {
	out     string
	cause   string // "" unless bad
	passing bool
}

func (r result) String() string {
	return fmt.Sprintf("%q, cause %q, passing %t", r.out, r.cause, r.passing)
}

// filtered puts the pieces through a new filter.
func filtered(client netip.Addr, ended bool, pieces ...string) result {
	f := New(client, "http")
	var out []byte
	for _, piece := range pieces {
		out = f.Append(out, []byte(piece))
	}
	if ended {
		f.End()
	}
	if f.Bad() != (f.Cause() != "") {
		panic("Bad and Cause disagree")
	}
	return result{string(out), f.Cause(), f.Passing()}
}
