package loop

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"pen/affinity"
	"pen/internal/account"
	"pen/internal/acl"
	"pen/internal/balance"
	"pen/internal/sys"
)

// memory is a witness that remembers.
type memory struct{ trails []account.Trail }

func (m *memory) Closed(t *account.Trail) { m.trails = append(m.trails, *t) }

// deny is the lists of which list 1 keeps an address out.
func deny(t *testing.T, addr string) acl.Lists {
	t.Helper()
	entry, err := acl.ParseEntry([]string{"deny", addr})
	if err != nil {
		t.Fatal(err)
	}
	lists, err := acl.Lists{}.Append(1, entry)
	if err != nil {
		t.Fatal(err)
	}
	return lists
}

// The ways a connection can end: each has a cause of its own, told alike by the ledger, the witness and, if it is abnormal, the memory of the last endings.
func TestEveryEndingHasItsCause(t *testing.T) {
	question, answer := []byte("question"), []byte("answer")
	served := func(h *hand, f *farm) (client, server *peer) {
		client = h.dial()
		client.send(question)
		h.calm()
		server = f.take()
		server.recv()
		server.send(answer)
		h.calm()
		client.recv()
		return client, server
	}
	for _, test := range []struct {
		name  string
		tweak func(*Config, *balance.Plan)
		live  func(h *hand, f *farm)
		want  account.Cause
		errno syscall.Errno
		none  bool // no server was tried
	}{
		{name: "the client ends", want: account.ClientFin, live: func(h *hand, f *farm) {
			client, server := served(h, f)
			client.shut()
			h.calm()
			server.close()
		}},
		{name: "the server ends", want: account.ServerFin, live: func(h *hand, f *farm) {
			client, server := served(h, f)
			server.close()
			h.calm()
			client.close()
		}},
		{name: "the server ends, and that is that", want: account.ServerFin, tweak: func(_ *Config, p *balance.Plan) { p.FastClose = balance.FastUp }, live: func(h *hand, f *farm) {
			_, server := served(h, f)
			server.close()
		}},
		{name: "the client resets", want: account.ClientReset, errno: syscall.ECONNRESET, live: func(h *hand, f *farm) {
			client, _ := served(h, f)
			client.reset()
		}},
		{name: "the server resets", want: account.ServerReset, errno: syscall.ECONNRESET, live: func(h *hand, f *farm) {
			_, server := served(h, f)
			server.reset()
		}},
		{name: "the client falls silent", want: account.ClientLost, errno: syscall.ETIMEDOUT, live: func(h *hand, f *farm) {
			served(h, f)
			h.only().client.errno = uint8(syscall.ETIMEDOUT) // what a read answers when TCP_USER_TIMEOUT has passed
			h.abort(h.only(), &h.only().client)
		}},
		{name: "the server falls silent", want: account.ServerLost, errno: syscall.ETIMEDOUT, live: func(h *hand, f *farm) {
			served(h, f)
			h.only().server.errno = uint8(syscall.ETIMEDOUT)
			h.abort(h.only(), &h.only().server)
		}},
		{name: "the server refuses", want: account.ConnectRefused, errno: syscall.ECONNREFUSED, live: func(h *hand, f *farm) {
			f.fd.Close()
			h.dial().send(question)
		}},
		{name: "the stubborn client's server refuses", want: account.ConnectRefused, errno: syscall.ECONNREFUSED, tweak: func(_ *Config, p *balance.Plan) { p.Stubborn = true }, live: func(h *hand, f *farm) {
			f.fd.Close()
			h.dial().send(question)
		}},
		{name: "the server does not answer", want: account.ConnectTimedOut, errno: syscall.ETIMEDOUT, tweak: func(_ *Config, p *balance.Plan) { p.ConnectTimeout = 50 * time.Millisecond }, live: func(h *hand, f *farm) {
			h.plan.Servers[0].Addr = address(blackHole(h.t))
			h.balancer.Publish(h.plan)
			h.dial()
		}},
		{name: "the server is banned", want: account.NoServer, none: true, live: func(h *hand, f *farm) {
			h.slots.Get(h.plan.Servers[0].ID).Ban(1 << 62)
			h.dial()
		}},
		{name: "the server is drained", want: account.NoServer, none: true, live: func(h *hand, f *farm) {
			h.slots.Get(h.plan.Servers[0].ID).SetDrained(true)
			h.dial()
		}},
		{name: "the server is full", want: account.AtLimit, none: true, tweak: func(_ *Config, p *balance.Plan) { p.Servers[0].Soft = 1 }, live: func(h *hand, f *farm) {
			slot := h.slots.Get(h.plan.Servers[0].ID)
			slot.Take(0)
			h.dial()
			h.until(func() bool { return h.totals().Counts[account.Accepted] == 1 && h.live == 0 }, "the client is turned away")
			slot.Release()
		}},
		{name: "the server is full for too long", want: account.QueueTimedOut, none: true, tweak: func(_ *Config, p *balance.Plan) {
			p.Servers[0].Soft, p.Queue, p.QueueTimeout = 1, 1, 50*time.Millisecond
		}, live: func(h *hand, f *farm) {
			slot := h.slots.Get(h.plan.Servers[0].ID)
			slot.Take(0)
			h.dial()
			h.until(func() bool { return h.totals().Counts[account.Accepted] == 1 && h.live == 0 }, "the client is turned away")
			slot.Release()
		}},
		{name: "the client may not come in", want: account.Denied, none: true, tweak: func(_ *Config, p *balance.Plan) { p.Lists, p.ClientACL = deny(t, "127.0.0.1"), 1 }, live: func(h *hand, f *farm) { h.dial() }},
		{name: "the client has too many", want: account.ClientLimit, none: true, tweak: func(_ *Config, p *balance.Plan) { p.Limits.Conns = 1 }, live: func(h *hand, f *farm) { h.dial() }},
		{name: "the client is too fast", want: account.ClientRate, none: true, tweak: func(_ *Config, p *balance.Plan) { p.Limits.Rate = affinity.Rate{Count: 1, Per: 3600, Burst: 1} }, live: func(h *hand, f *farm) {
			h.table.Admit(h.plan.Prefix.Key(netip.MustParseAddr("127.0.0.1")), h.now(), h.plan.Limits)
			h.table.Leave(h.plan.Prefix.Key(netip.MustParseAddr("127.0.0.1")), 0, 0)
			h.dial()
		}},
		{name: "the client sits in the tarpit", want: account.ClientLimit, none: true, tweak: func(c *Config, p *balance.Plan) {
			p.Limits.Conns, p.OverLimit, c.TarpitTime = 1, balance.Tarpit, 100*time.Millisecond
		}, live: func(h *hand, f *farm) { h.dial().send(question) }},
		{name: "the client has enough of the tarpit", want: account.ClientLimit, none: true, tweak: func(c *Config, p *balance.Plan) { p.Limits.Conns, p.OverLimit = 1, balance.Tarpit }, live: func(h *hand, f *farm) {
			client := h.dial()
			client.send(question)
			h.calm()
			client.shut()
		}},
		{name: "nothing moves", want: account.Idle, tweak: func(_ *Config, p *balance.Plan) { p.IdleTimeout = 100 * time.Millisecond }, live: func(h *hand, f *farm) { served(h, f) }},
		{name: "the client says nothing", want: account.FirstByte, tweak: func(_ *Config, p *balance.Plan) { p.FirstByteTimeout = 100 * time.Millisecond }, live: func(h *hand, f *farm) { h.pair(f) }},
		{name: "the client ends and the server does not", want: account.HalfClosed, tweak: func(_ *Config, p *balance.Plan) { p.HalfClosedTimeout = 100 * time.Millisecond }, live: func(h *hand, f *farm) {
			client, _ := served(h, f)
			client.shut()
		}},
		{name: "the client takes nothing", want: account.ClientStalled, tweak: func(_ *Config, p *balance.Plan) { p.StallTimeout = time.Minute }, live: func(h *hand, f *farm) {
			_, server := served(h, f)
			h.stuffed(server, &h.only().down)
			h.pass(time.Minute + 2*tick)
		}},
		{name: "the server takes nothing", want: account.ServerStalled, tweak: func(_ *Config, p *balance.Plan) { p.StallTimeout = time.Minute }, live: func(h *hand, f *farm) {
			client, _ := served(h, f)
			h.stuffed(client, &h.only().up)
			h.pass(time.Minute + 2*tick)
		}},
		{name: "it is too old", want: account.Lifetime, tweak: func(_ *Config, p *balance.Plan) { p.Lifetime = 100 * time.Millisecond }, live: func(h *hand, f *farm) { served(h, f) }},
		{name: "the operator closes it", want: account.Forced, live: func(h *hand, f *farm) {
			served(h, f)
			h.close(h.only(), account.Forced)
		}},
		{name: "the process ends", want: account.Drained, live: func(h *hand, f *farm) {
			served(h, f)
			h.stop()
		}},
		{name: "no address is left", want: account.Local, errno: syscall.EADDRNOTAVAIL, tweak: func(c *Config, _ *balance.Plan) { c.SendBatch = false }, live: func(h *hand, f *farm) {
			clearFaults(h.t)
			client := h.dial() // before it is our turn to be short
			sys.Fault.Connect = func() syscall.Errno { return syscall.EADDRNOTAVAIL }
			client.send(question)
		}},
		{name: "the request is no good", want: account.BadRequest, tweak: func(c *Config, p *balance.Plan) {
			p.Forwarded, c.NewFilter = true, func(netip.Addr) Filter { return new(marking) }
		}, live: func(h *hand, f *farm) { h.dial().send([]byte("x")) }},
		{name: "the dummy answers", want: account.Answered, none: true, tweak: func(_ *Config, p *balance.Plan) { p.Dummy = true }, live: func(h *hand, f *farm) { h.dial().send(question) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFarm(t)
			h := newHand(t, []string{f.addr}, test.tweak)
			m := new(memory)
			h.witness = m
			other := h.plan.Prefix.Key(netip.MustParseAddr("127.0.0.1"))
			h.table.Admit(other, h.now(), affinity.Limits{}) // another connection of the same client, which lasts
			test.live(h, f)
			h.until(func() bool { return len(m.trails) == 1 && h.Loop.live == 0 }, "the connection has ended")
			if got := h.ended(); got != test.want {
				t.Errorf("the ledger says %v, want %v", got, test.want)
			}
			number := uint32(h.plan.Servers[0].ID)
			if test.none {
				number = 0
			}
			servers := account.Read([]*account.Loop{h.ledger}).Servers
			of := servers[number] // there is one ending: if it is here it is nowhere else
			if of.Ended[test.want] != 1 {
				t.Errorf("server %d: %v", number, of.Ended)
			}
			got := m.trails[0]
			server := h.plan.Servers[0].Name
			if test.none {
				server = ""
			}
			if got.Cause != test.want || got.Errno != test.errno || got.Server != server || got.Lasted <= 0 || !got.Client.IsValid() {
				t.Errorf("trail %+v; want cause %v, errno %v, server %q", got, test.want, test.errno, server)
			}
			if connected := got.Connected != account.Never; connected != (got.Why != "" && test.errno != syscall.ECONNREFUSED && test.want != account.ConnectTimedOut && test.want != account.Local) {
				t.Errorf("connected after %v", got.Connected)
			}
			if got.Down > 0 && (got.FirstUp == account.Never || got.FirstDown == account.Never || got.FirstDown > got.Lasted || got.FirstUp < got.Connected) {
				t.Errorf("times in disorder: %+v", got)
			}
			if stood, heard := got.Connected != account.Never, got.FirstDown != account.Never; of.Connects.Count() != one(stood) || of.FirstByte.Count() != one(heard) || of.FirstByte.Sum > got.Lasted {
				t.Errorf("connect times %+v, first bytes %+v; trail %+v", of.Connects, of.FirstByte, got)
			}
			kept := 0
			for trail := range h.closes.Each {
				kept++
				if *trail != got {
					t.Errorf("kept %+v, told %+v", *trail, got)
				}
			}
			if e, _ := h.table.Peek(other, h.now()); e.Live != 1 {
				t.Errorf("the client has %d live connections, want the other one", e.Live)
			}
			h.table.Leave(other, 0, 0)
			if want := test.want.Abnormal(); (kept == 1) != want {
				t.Errorf("%d kept, abnormal %v", kept, want)
			}
		})
	}
}

func one(is bool) uint64 {
	if is {
		return 1
	}
	return 0
}
