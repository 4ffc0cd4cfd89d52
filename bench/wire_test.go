package main

import (
	"bytes"
	"errors"
	"testing"
)

func TestHeaderRoundTrip(t *testing.T) {
	h := header{Magic: magicAsk, Flags: hangUp, Tag: 0x0123456789abcdef, Up: 17, Down: maxBody}
	b := make([]byte, headerSize)
	h.put(b)
	got, err := parseAsk(b)
	if err != nil || got != h {
		t.Errorf("%+v, %v, want %+v", got, err, h)
	}
}

func TestParseAskRefuses(t *testing.T) {
	for name, h := range map[string]header{
		"an answer":       {Magic: magicAnswer},
		"too much up":     {Magic: magicAsk, Up: maxBody + 1},
		"too much down":   {Magic: magicAsk, Down: maxBody + 1},
		"something else":  {Magic: 0x20544547},
		"nothing at all.": {},
	} {
		b := make([]byte, headerSize)
		h.put(b)
		if _, err := parseAsk(b); err == nil {
			t.Errorf("%s passes for an ask", name)
		}
	}
}

func TestCheckAnswer(t *testing.T) {
	ask := header{Magic: magicAsk, Flags: hangUp, Tag: 5, Up: 1, Down: 2}
	b := make([]byte, headerSize)
	answerTo(ask).put(b)
	if err := checkAnswer(b, ask); err != nil {
		t.Error(err)
	}
	for i := range b {
		b[i] ^= 1
		if checkAnswer(b, ask) == nil {
			t.Errorf("a flipped bit in byte %d goes unseen", i)
		}
		b[i] ^= 1
	}
	h := answerTo(ask)
	h.Flags = garbled
	h.put(b)
	if err := checkAnswer(b, ask); !errors.Is(err, errGarbled) {
		t.Errorf("a server's complaint gives %v", err)
	}
}

func TestBodies(t *testing.T) {
	a, b := body(1, upBody, 1000), body(2, upBody, 1000)
	if bytes.Equal(a, b) || bytes.Equal(a, body(1, downBody, 1000)) {
		t.Error("bodies of different messages are alike")
	}
	if !bytes.Equal(body(7, downBody, maxBody)[:100], body(7, downBody, 100)) {
		t.Error("a body depends on its length")
	}
	if bytes.Equal(pattern[:4096], pattern[4096:8192]) || bytes.Equal(pattern[:65536], pattern[65536:131072]) {
		t.Error("the pattern repeats with the size of a page or a pipe")
	}
	if !bytes.Equal(pattern[:1000], pattern[period:period+1000]) {
		t.Error("the pattern does not repeat with its period")
	}
}

func TestCheckBody(t *testing.T) {
	const tag, n = 99, 70000
	got := bytes.Clone(body(tag, downBody, n))
	for _, at := range []int{0, 1, 4096, n - 1} {
		for _, off := range []int{0, min(at, 5)} {
			if err := checkBody(tag, downBody, uint32(off), got[off:]); err != nil {
				t.Errorf("right bytes from %d: %v", off, err)
			}
			got[at] ^= 0x80
			if checkBody(tag, downBody, uint32(off), got[off:]) == nil {
				t.Errorf("a wrong byte %d goes unseen from %d", at, off)
			}
			got[at] ^= 0x80
		}
	}
	lost := append(bytes.Clone(got[:4096]), got[8192:]...)
	if checkBody(tag, downBody, 0, lost) == nil {
		t.Error("a lost page goes unseen")
	}
}

func FuzzParseAsk(f *testing.F) {
	b := make([]byte, headerSize)
	header{Magic: magicAsk, Tag: 1, Up: maxBody, Down: 1}.put(b)
	f.Add(b)
	f.Add(make([]byte, headerSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < headerSize {
			return
		}
		h, err := parseAsk(b)
		if err != nil {
			return
		}
		back := make([]byte, headerSize)
		h.put(back)
		if !bytes.Equal(back, b[:headerSize]) {
			t.Errorf("% x became % x", b[:headerSize], back)
		}
		if len(body(h.Tag, upBody, h.Up)) != int(h.Up) {
			t.Errorf("%+v has no body", h)
		}
	})
}
