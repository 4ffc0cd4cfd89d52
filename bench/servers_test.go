package main

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// message is an ask with its body.
func message(ask header) []byte {
	b := make([]byte, headerSize)
	ask.put(b)
	return append(b, body(ask.Tag, upBody, ask.Up)...)
}

func dialTest(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestServers(t *testing.T) {
	addrs := testServers(t)
	t.Run("answers", func(t *testing.T) {
		for _, ask := range []header{
			{Magic: magicAsk, Tag: 1, Up: 0, Down: 0},
			{Magic: magicAsk, Tag: 2, Up: 40, Down: 232},
			{Magic: magicAsk, Tag: 3, Up: maxBody, Down: 1},
			{Magic: magicAsk, Tag: 4, Up: 1, Down: maxBody},
		} {
			c := dialTest(t, addrs[0])
			if _, err := c.Write(message(ask)); err != nil {
				t.Fatal(err)
			}
			in := make([]byte, headerSize+ask.Down)
			if _, err := io.ReadFull(c, in); err != nil {
				t.Fatalf("%+v: %v", ask, err)
			}
			if err := checkMessage(in, ask); err != nil {
				t.Errorf("%+v: %v", ask, err)
			}
		}
	})
	t.Run("asks in pieces and in a row", func(t *testing.T) {
		c := dialTest(t, addrs[1])
		var out []byte
		var asked []header
		for tag := range uint64(5) {
			ask := header{Magic: magicAsk, Tag: tag, Up: 30, Down: 700}
			if tag == 4 {
				ask.Flags = hangUp
			}
			asked = append(asked, ask)
			out = append(out, message(ask)...)
		}
		for len(out) > 0 {
			n := min(11, len(out))
			if _, err := c.Write(out[:n]); err != nil {
				t.Fatal(err)
			}
			out = out[n:]
		}
		in, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		if want := 5 * (headerSize + 700); len(in) != want {
			t.Fatalf("%d bytes and the end, want %d", len(in), want)
		}
		for i, ask := range asked {
			if err := checkMessage(in[i*(headerSize+700):][:headerSize+700], ask); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("wrong bytes are refused", func(t *testing.T) {
		ask := header{Magic: magicAsk, Tag: 9, Up: 500, Down: 10}
		out := message(ask)
		out[headerSize+400]++
		c := dialTest(t, addrs[0])
		if _, err := c.Write(out); err != nil {
			t.Fatal(err)
		}
		in, err := io.ReadAll(c)
		if err != nil || len(in) != headerSize || checkAnswer(in, ask) != errGarbled {
			t.Errorf("answer % x, %v, want a complaint and the end", in, err)
		}
	})
	t.Run("no ask is refused", func(t *testing.T) {
		c := dialTest(t, addrs[0])
		if _, err := c.Write(bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 2)); err != nil {
			t.Fatal(err)
		}
		if in, err := io.ReadAll(c); err == nil && len(in) != headerSize {
			t.Errorf("answer %q", in)
		}
	})
}
