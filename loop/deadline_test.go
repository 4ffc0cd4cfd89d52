package loop

import (
	"testing"

	"pen/internal/account"
	"pen/splice"
)

// The decision: whatever the connection is in the midst of, the earliest of the limits that it is under, counted from the moment that each goes by.
func TestDeadline(t *testing.T) {
	const born, active, up, down = 1000, 2000, 1500, 1700
	all := timeouts{connect: 50, firstByte: 60, idle: 700, halfClosed: 500, stall: 300, lifetime: 9000}
	open := func(tweak func(*conn)) conn {
		c := conn{state: forwarding, marks: marks{active: active}}
		c.up.moved, c.down.moved, c.up.bytes = up, down, 1
		if tweak != nil {
			tweak(&c)
		}
		return c
	}
	tail, pipe := &tail{}, &splice.Pipe{Data: 1}
	for _, test := range []struct {
		name string
		conn conn
		lim  timeouts
		at   uint32 // 0 none
		why  account.Cause
	}{
		{"no limit", open(nil), timeouts{}, 0, 0},
		{"limits it is not under", open(nil), timeouts{connect: 1, firstByte: 1, halfClosed: 1, stall: 1}, 0, 0},
		{"idle", open(nil), all, 2701, account.Idle},
		{"older than it may be", open(nil), timeouts{idle: 700, lifetime: 20}, 1021, account.Lifetime},
		{"idle before it is too old", open(nil), timeouts{idle: 7, lifetime: 2000}, 2008, account.Idle},

		{"a connect", conn{state: connecting, marks: marks{active: active}}, all, 2051, account.ConnectTimedOut},
		{"a connect has no other limit but the lifetime", conn{state: connecting, marks: marks{active: active}}, timeouts{connect: 2000, firstByte: 1, idle: 1, halfClosed: 1, stall: 1, lifetime: 1100}, 2101, account.Lifetime},
		{"an idler's connect", conn{state: connecting, idler: true, marks: marks{active: active}}, timeouts{connect: 2000, lifetime: 1}, 4001, account.ConnectTimedOut},

		{"the client has said nothing", open(func(c *conn) { c.up.bytes = 0 }), all, 1061, account.FirstByte},
		{"what it said waits", open(func(c *conn) { c.up.bytes, c.up.tail = 0, tail }), timeouts{firstByte: 60}, 0, 0},
		{"what it said was lost", open(func(c *conn) { c.up.bytes, c.up.broken = 0, true }), timeouts{firstByte: 60}, 0, 0},
		{"it has ended without a word", open(func(c *conn) { c.up.bytes, c.up.eof, c.up.shut = 0, true, true }), timeouts{firstByte: 60}, 0, 0},
		{"the dummy's client has said nothing", conn{state: answering, marks: marks{active: active}}, all, 1061, account.FirstByte},
		{"the dummy's client is idle", conn{state: answering, marks: marks{active: active}}, timeouts{idle: 7, stall: 1, halfClosed: 1}, 2008, account.Idle},

		{"the client has ended", open(func(c *conn) { c.up.eof, c.up.shut = true, true }), all, 2501, account.HalfClosed},
		{"the server has ended", open(func(c *conn) { c.down.eof, c.down.shut = true, true }), all, 2501, account.HalfClosed},
		{"the server takes no more", open(func(c *conn) { c.up.broken = true }), all, 2501, account.HalfClosed},
		{"both have ended", open(func(c *conn) { c.up.shut, c.down.broken = true, true }), timeouts{halfClosed: 500}, 0, 0},
		{"the end has not been handed on", open(func(c *conn) { c.up.eof = true }), timeouts{halfClosed: 500}, 0, 0},
		{"half closed and idle at once", open(func(c *conn) { c.up.shut = true }), timeouts{halfClosed: 500, idle: 500}, 2501, account.HalfClosed},

		{"bytes wait for the server", open(func(c *conn) { c.up.tail = tail }), all, 1801, account.ServerStalled},
		{"bytes wait for the client", open(func(c *conn) { c.down.pipe = pipe }), all, 2001, account.ClientStalled},
		{"for both: the server has not moved for longer", open(func(c *conn) { c.up.tail, c.down.pipe = tail, pipe }), all, 1801, account.ServerStalled},
		{"an empty pipe", open(func(c *conn) { c.up.pipe = &splice.Pipe{} }), timeouts{stall: 300}, 0, 0},
		{"stalled behind a half-close", open(func(c *conn) { c.up.shut, c.down.tail = true, tail }), all, 2001, account.ClientStalled},
		{"half closed before it is stalled", open(func(c *conn) { c.up.shut, c.down.tail = true, tail }), timeouts{stall: 900, halfClosed: 500}, 2501, account.HalfClosed},

		{"lingering has its own time", conn{state: lingering}, all, 0, 0},
		{"so have idlers", conn{state: idling, idler: true}, all, 0, 0},
	} {
		d := test.conn.deadline(born, &test.lim)
		if d.set != (test.at != 0) || d.at != test.at || d.why != test.why {
			t.Errorf("%s: %+v, want %v at %d", test.name, d, test.why, test.at)
		}
	}
}

// The clock's ticks begin again at 0 after thirteen years, and no limit is so long that its end looks like the past.
func TestDeadlineAcrossTheEndOfTheClock(t *testing.T) {
	const last = 1<<32 - 5
	c := conn{state: forwarding, marks: marks{active: last}}
	c.up.bytes = 1
	if d := c.deadline(last-100, &timeouts{idle: 10, lifetime: 200}); d.at != 6 || d.why != account.Idle {
		t.Errorf("%+v, want idle at tick 6", d)
	}
	if d := c.deadline(last-100, &timeouts{idle: longest, lifetime: longest}); !d.set || int32(d.at-last) <= 0 {
		t.Errorf("%+v: the longest limits are over at once", d)
	}
}
