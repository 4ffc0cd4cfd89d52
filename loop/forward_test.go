package loop

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// scenarios played by the ordinary test. The fuzz target plays as many as it is given time for.
const scenarios = 300

func TestForwardingKeepsToTheModel(t *testing.T) {
	for i := range uint64(scenarios) {
		b := randomScenario(rand.New(rand.NewPCG(seed, i)))
		t.Run(fmt.Sprintf("%d.%d", seed, i), func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("FuzzForward's input: []byte(%q)\n%v", b, decode(b))
				}
			})
			decode(b).run(t)
		})
	}
}

func randomScenario(rnd *rand.Rand) []byte {
	b := make([]byte, 2+2*rnd.IntN(25))
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func FuzzForward(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x00\x00\x64\x8c\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := decode(b)
		t.Cleanup(func() {
			if t.Failed() {
				t.Log(s)
			}
		})
		s.run(t)
	})
}
