package loop

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"testing"

	"pen/internal/account"
	"pen/internal/balance"
	"pen/splice"
)

func withMode(m splice.Mode) func(*Config, *balance.Plan) {
	return func(c *Config, _ *balance.Plan) { c.Splice = m }
}

// seed of every random choice in this file.
const seed = 20261123

func noise(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{seed & 0xff}).Read(p)
	return p
}

func TestEchoOfManySizesComesBackWhole(t *testing.T) {
	eachWay(t, func(t *testing.T, poller string, mode splice.Mode) {
		r := newRig(t, poller, []string{serve(t, echo)}, withMode(mode))
		for _, size := range []int{0, 1, 100, copyBuffer - 1, copyBuffer, copyBuffer + 1, 1 << 20, 8<<20 + 7} {
			c := r.dial().(*net.TCPConn)
			sent := noise(size)
			go func() {
				c.Write(sent)
				c.CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes sent, %d came back (%v), sums %x %x", size, len(got), err, sha256.Sum256(sent), sha256.Sum256(got))
			}
		}
		r.ended(account.ClientFin, 8)
	})
}

func TestServerEndingFirstDeliversEverything(t *testing.T) {
	eachWay(t, func(t *testing.T, poller string, mode splice.Mode) {
		answer := noise(3 << 20)
		r := newRig(t, poller, []string{serve(t, func(c *net.TCPConn) { c.Write(answer) })}, withMode(mode))
		c := r.dial()
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, answer) {
			t.Errorf("got %d of %d bytes: %v", len(got), len(answer), err)
		}
		c.Close()
		r.ended(account.ServerFin, 1)
	})
}
