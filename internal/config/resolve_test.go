package config

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// hosts stands in for a resolver and notes what it is asked.
type hosts struct {
	known map[string][]string
	asked []string
}

func (h *hosts) lookup(_ context.Context, network, host string) ([]netip.Addr, error) {
	h.asked = append(h.asked, network+" "+host)
	texts, ok := h.known[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, Server: "192.0.2.1:53", IsNotFound: true}
	}
	var addrs []netip.Addr
	for _, text := range texts {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

func TestResolve(t *testing.T) {
	o := parse(t, "-e sorry:9 -B trap front:8080 www1:1 10.0.0.7 www1:2 www2 /run/a.sock")
	h := &hosts{known: map[string][]string{
		"front": {"10.0.0.1"},
		"www1":  {"2001:db8::1", "10.0.0.2"}, // the resolver's order counts, whatever the family
		"www2":  {"::ffff:10.0.0.3"},
		"sorry": {"10.0.0.4"},
		"trap":  {"10.0.0.5"},
	}}
	if err := o.resolve(t.Context(), h.lookup); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range o.everyServer() {
		got = append(got, s.Addr.String())
	}
	want := []string{"[2001:db8::1]:1", "10.0.0.7:8080", "[2001:db8::1]:2", "10.0.0.3:8080", "invalid AddrPort", "10.0.0.4:9", "10.0.0.5:8080"}
	if !slices.Equal(got, want) {
		t.Errorf("servers at %v, want %v", got, want)
	}
	if len(o.Listen.Addrs) != 1 || o.Listen.Addrs[0].String() != "10.0.0.1:8080" {
		t.Errorf("listening at %v", o.Listen.Addrs)
	}
	if want := []string{"ip front", "ip www1", "ip www2", "ip sorry", "ip trap"}; !slices.Equal(h.asked, want) {
		t.Errorf("asked %v, want each name once: %v", h.asked, want)
	}
}

func TestResolveNeedsNoResolverForAddresses(t *testing.T) {
	for _, line := range []string{"80 10.0.0.1", "-F pen.cfg", "[::1]:80 [::1]:81 /run/a.sock", "/run/pen.sock 10.0.0.1:80"} {
		h := &hosts{}
		if err := parse(t, line).resolve(t.Context(), h.lookup); err != nil || h.asked != nil {
			t.Errorf("%s: %v, asked %v", line, err, h.asked)
		}
	}
}

func TestResolveErrors(t *testing.T) {
	known := map[string][]string{"known": {"10.0.0.1"}, "empty": nil}
	for line, want := range map[string]string{
		"nohost:80 known":        `resolve "nohost": no such host`,
		"80 known nohost":        `resolve "nohost": no such host`,
		"-e nohost:1 80 known":   `resolve "nohost": no such host`,
		"-B nohost:1 80 known":   `resolve "nohost": no such host`,
		"80 known empty nohost1": `resolve "empty": no address`,
	} {
		err := parse(t, line).resolve(t.Context(), (&hosts{known: known}).lookup)
		if ExitCode(err) != 1 || err.Error() != want {
			t.Errorf("%s: got %v (exit %d), want %s (exit 1)", line, err, ExitCode(err), want)
		}
	}
	err := parse(t, "80 nohost").resolve(t.Context(), (&hosts{}).lookup)
	var dns *net.DNSError
	if !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("the cause is lost: %#v", err)
	}
}

func TestResolveAsksTheSystem(t *testing.T) {
	o := parse(t, "localhost:80 localhost:81")
	if err := o.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := o.Servers[0].Addr; !a.Addr().IsLoopback() || a.Port() != 81 {
		t.Errorf("localhost:81 became %v", a)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	err := parse(t, "80 name.invalid").Resolve(ended)
	if err == nil || !strings.HasPrefix(err.Error(), `resolve "name.invalid": `) {
		t.Errorf("after the context ended: %v", err)
	}
}
