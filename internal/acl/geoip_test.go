package acl

import (
	"errors"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// record is what MaxMind's country database says about a network, as far as we read it.
func record(code string) mmdbtype.Map {
	return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code), "names": mmdbtype.Map{"en": mmdbtype.String("Country " + code)}}}
}

// writeDatabase writes a database of networks to path; version is 4 or 6.
func writeDatabase(t *testing.T, path string, version int, networks map[netip.Prefix]mmdbtype.DataType) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "pen-test", IPVersion: version, RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	// A network written later overwrites the one around it, so the large ones come first.
	for _, p := range slices.SortedFunc(maps.Keys(networks), func(a, b netip.Prefix) int { return a.Bits() - b.Bits() }) {
		network := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
		if err := tree.Insert(network, networks[p]); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.WriteTo(file); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

func north(t *testing.T) (path string) {
	path = filepath.Join(t.TempDir(), "country.mmdb")
	writeDatabase(t, path, 6, map[netip.Prefix]mmdbtype.DataType{
		prefix("10.0.0.0/8"):    record("SE"),
		prefix("10.1.0.0/16"):   record("NO"),
		prefix("2001:db8::/32"): record("DK"),
		prefix("192.0.2.0/24"):  mmdbtype.Map{"continent": mmdbtype.String("EU")},
		prefix("198.51.0.0/16"): mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.Uint32(7)}},
	})
	return path
}

func openGeoIP(t *testing.T, path string) *GeoIP {
	t.Helper()
	g, err := OpenGeoIP(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func TestGeoIPCountry(t *testing.T) {
	g := openGeoIP(t, north(t))
	for client, want := range map[string]string{
		"10.0.0.1":         "SE",
		"10.1.0.1":         "NO",
		"::ffff:10.1.0.1":  "NO",
		"2001:db8::7":      "DK",
		"2001:db8::7%eth0": "DK",
		"11.0.0.1":         "",
		"2001:db9::":       "",
		"192.0.2.1":        "", // a record without a country
		"198.51.1.1":       "", // a record that is not as it should be
		"":                 "",
	} {
		if got := g.Country(address(client)); got != want {
			t.Errorf("%q: %q, want %q", client, got, want)
		}
	}
	lists := listed(t, 2, "deny country NO\npermit country SE")
	for client, want := range map[string]Verdict{"10.0.0.1": {true, 1}, "10.1.0.1": {false, 0}, "11.0.0.1": {false, -1}, "": {true, -1}} {
		if got := lists.Match(2, address(client), g); got != want {
			t.Errorf("list against %q: %+v, want %+v", client, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { lists.Match(2, address("10.0.0.1"), g) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestGeoIPForIPv4Only(t *testing.T) {
	path := filepath.Join(t.TempDir(), "four.mmdb")
	writeDatabase(t, path, 4, map[netip.Prefix]mmdbtype.DataType{prefix("10.0.0.0/8"): record("SE")})
	g := openGeoIP(t, path)
	if sweden, six := g.Country(address("10.0.0.1")), g.Country(address("2001:db8::1")); sweden != "SE" || six != "" {
		t.Errorf("%q and %q", sweden, six)
	}
}

func TestOpenGeoIPRefuses(t *testing.T) {
	dir := t.TempDir()
	numbers := filepath.Join(dir, "asn.mmdb")
	writeDatabase(t, numbers, 6, map[netip.Prefix]mmdbtype.DataType{prefix("10.0.0.0/8"): mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64512)}})
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("not a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(dir, "cut.mmdb")
	whole, err := os.ReadFile(north(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, whole[len(whole)/2:], 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		numbers: "it holds no country codes",
		text:    "invalid MaxMind DB file",
		cut:     "read country database " + cut,
	} {
		if _, err := OpenGeoIP(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q and the file's name", filepath.Base(path), err, want)
		}
	}
	if _, err := OpenGeoIP(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

// The file may be replaced, cut or overwritten under a running process: look-ups never notice before Reopen, and a bad file leaves the good one in use.
func TestGeoIPReopen(t *testing.T) {
	path := north(t)
	g := openGeoIP(t, path)
	client := address("10.0.0.1")
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if code := g.Country(client); code != "SE" && code != "FI" {
						t.Errorf("look-up during Reopen: %q", code)
						return
					}
				}
			}
		})
	}
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if code := g.Country(client); code != "SE" {
		t.Errorf("after the file was cut: %q", code)
	}
	if err := g.Reopen(); err == nil {
		t.Error("a cut file is accepted")
	}
	if code := g.Country(client); code != "SE" {
		t.Errorf("after a failed Reopen: %q", code)
	}
	writeDatabase(t, path, 6, map[netip.Prefix]mmdbtype.DataType{prefix("10.0.0.0/8"): record("FI")})
	for range 20 {
		if err := g.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	if code := g.Country(client); code != "FI" {
		t.Errorf("after Reopen: %q", code)
	}
	close(stop)
	readers.Wait()
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if code := g.Country(client); code != "" {
		t.Errorf("after Close: %q", code)
	}
}
