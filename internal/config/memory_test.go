package config

import "testing"

func TestMemory(t *testing.T) {
	const base = 32<<20 + 2*(640<<10) // of two loops
	for _, c := range []struct {
		flags      string
		idle, most int64
	}{
		{"-x 1 -c 1 --splice never", base + 80 + 2*(512+2*8*31), base + 80 + 2*(512+2*8*31+2*(32<<10+64))},
		{"-x 1000 -c 1000000 --splice never", base + 80_000_000 + 2*(512_000+2*8*2029), base + 80_000_000 + 2*(512_000+2*8*2029+2000*(32<<10+64))},
		{"-x 1 -c 1 --splice never -H", base + 80 + 2*(512+2*8*31), base + 80 + 2*(512+2*8*31+2*(32<<10+64)+256*1024)},
		{"-x 1 -c 1 --splice never --web 81", base + 80 + 2*(512+2*8*1312), base + 80 + 2*(512+2*8*1312+2*(32<<10+64)+1280*(64<<10))},
	} {
		b, err := parse(t, c.flags+" 80 10.0.0.1").budget(20000, 2, 0)
		if err != nil || b.IdleBytes != c.idle || b.MostBytes != c.most {
			t.Errorf("%s: %d and %d, %v; want %d and %d", c.flags, b.IdleBytes, b.MostBytes, err, c.idle, c.most)
		}
	}
}
