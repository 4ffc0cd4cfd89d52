package loop

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// scenarios played by the ordinary test. The fuzz target plays as many as it is given time for.
const scenarios = 250

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
	f.Add([]byte(""))
	f.Add([]byte("\x00\x00\x00\x14\x80\x14\x08\x00\x85\x14\x05\x14\x0b\x00\x88\x00\x8b\x00"))                                         // a MiB each way, then both end
	f.Add([]byte("\xc5\x03\x88\x00\x0f\x00"))                                                                                         // the client ends and resets in one
	f.Add([]byte("\x02\x00\x80\x14\x80\x14\x08\x00\x05\x10\x8b\x00\x8e\x00"))                                                         // the server resets a stream in full flow
	f.Add([]byte("\xa3\x00\x00\x14\x80\x14\x08\x00\x00\x14\x80\x14\x08\x00\x05\x12\x85\x12\x0b\x00\x08\x00\x85\x14\x80\x10\x8d\x00")) // one small pipe for two full directions
	f.Add([]byte("\x18\x07\x00\x0f\x80\x0f\x08\x00\x05\x0a\x85\x0a\x0d\x00\x80\x0a"))                                                 // Unix sockets, tiny buffers, the client closes with bytes unread
	f.Add([]byte("\x04\x04\x00\x0f\x00\x0f\x0b\x00\x80\x0f\x88\x00\x8e\x00"))                                                         // a half-closed client whose server resets
	f.Add([]byte("\x00\x00\x00\x14\x68\x00\x85\x0a\x80\x0a\x78\x00\x05\x14"))                                                         // a while, and then too long, with bytes on their way both ways
	f.Add([]byte("\x02\x00\x80\x14\x0b\x00\x78\x00\x05\x14"))                                                                         // a half-closed client that does not read its answer in time
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
