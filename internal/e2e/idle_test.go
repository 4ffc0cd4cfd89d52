package e2e

import (
	"testing"
	"time"
)

// An idle connection ends after the idle time; one that says something now and then does not.
func TestIdleTimeout(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		t.Parallel()
		_, servers := serveNamed(t, 2)
		b := launch{poller: poller, flags: []string{"--idle-timeout", "1"}, servers: servers}.start(t)
		silent, busy := call(t, loopback(1), b.address), call(t, loopback(2), b.address)
		silent.mustName(t)
		busy.mustName(t)
		ended := make(chan time.Duration, 1)
		go func() { ended <- silent.mustEnd(t, patience) }()
		for alive := time.Now(); time.Since(alive) < 3*time.Second; {
			busy.mustEcho(t)
			time.Sleep(200 * time.Millisecond) // the pace of a client that is not idle
		}
		if took := <-ended; took < 900*time.Millisecond || took > 3*time.Second {
			t.Errorf("an idle connection ended after %v, want 1 to 2 s", took)
		}
		busy.mustEcho(t)
	})
}

// PEN.md B7: Pen never reaped half-closed connections, nor any when the idle time was longer than its table of connections.
func TestB7IdleTimeoutReachesEveryConnection(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags []string
		idle  time.Duration
		end   func(conn) error // what the client does before it falls silent
	}{
		{"client has half-closed", []string{"--idle-timeout", "1"}, time.Second, conn.CloseWrite},
		{"idle time longer than -x", []string{"-x", "2", "--idle-timeout", "3"}, 3 * time.Second, func(conn) error { return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachPoller(t, func(t *testing.T, poller string) {
				t.Parallel()
				over := make(chan struct{})
				s := serve(t, "", func(c conn) error { // holds on, whatever its client does
					_, err := c.Write([]byte("here\n"))
					<-over
					return err
				})
				defer close(over)
				b := launch{poller: poller, flags: c.flags, servers: []string{s.address}}.start(t)
				client := call(t, loopback(1), b.address)
				client.mustName(t)
				if err := c.end(client.conn); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				eventually(t, c.idle+5*time.Second, "pen has let go of both sides", func() bool { return b.sockets() == b.idle })
				if took := time.Since(began); took < c.idle*9/10 || took > c.idle+2*time.Second {
					t.Errorf("pen let go after %v, the idle time is %v", took, c.idle)
				}
				client.mustEnd(t, patience)
			})
		})
	}
}
