package config

import "testing"

func TestCongestion(t *testing.T) {
	all := []string{"reno", "bbr", "cubic"}
	for _, test := range []struct {
		wish, standard       string
		available            []string
		everywhere, loopback string
		err                  string
	}{
		{wish: "auto", standard: "cubic", available: all},
		{wish: "auto", standard: "bbr", available: all, loopback: "cubic"},
		{wish: "auto", standard: "bbr2", available: []string{"bbr2", "reno"}, loopback: "reno"},
		{wish: "auto", standard: "bbr", available: []string{"bbr"}},
		{wish: "auto"},
		{wish: "system", standard: "bbr", available: all},
		{wish: "bbr", standard: "cubic", available: all, everywhere: "bbr"},
		{wish: "reno", everywhere: "reno"}, // nothing is known: the kernel will tell
		{wish: "vegas", standard: "cubic", available: all, err: `--congestion "vegas": expected auto, system or one of reno, bbr, cubic (for another: modprobe tcp_vegas)`},
	} {
		everywhere, loopback, err := congestion(test.wish, test.standard, test.available)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if everywhere != test.everywhere || loopback != test.loopback || text != test.err {
			t.Errorf("%s where %s is the system's: %q, %q, %q; want %q, %q, %q", test.wish, test.standard, everywhere, loopback, text, test.everywhere, test.loopback, test.err)
		}
		if err != nil && ExitCode(err) != exitUsage {
			t.Errorf("exit %d", ExitCode(err))
		}
	}
}
