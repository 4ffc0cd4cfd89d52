package acl

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang/v2"
)

// isoCode is where MaxMind's country, city and enterprise databases, and the free ones made like them, keep the two letters.
var isoCode = []any{"country", "iso_code"}

// sampleSize bounds how many networks of a new database are looked at for a country code: enough to tell a database without countries from one that knows few.
const sampleSize = 10_000

// GeoIP is Countries from a MaxMind database file. All its methods may be called from several goroutines at once; look-ups take no lock.
//
// The file is read into memory and not mapped: a file that is overwritten in place would take a process that maps it down with SIGBUS,
// and a database that is replaced can be left to the garbage collector while look-ups in it go on. A country database is about 10 MB.
type GeoIP struct {
	path string // constant after OpenGeoIP

	db    atomic.Pointer[maxminddb.Reader] // atomic: Reopen and Close write; nil when closed
	codes sync.Pool                        // of *string, for the decoder to write to without an allocation per look-up
}

// OpenGeoIP reads the database file at path. A file that is no database, or one without countries, is an error.
func OpenGeoIP(path string) (*GeoIP, error) {
	g := &GeoIP{path: path, codes: sync.Pool{New: func() any { return new(string) }}}
	if err := g.Reopen(); err != nil {
		return nil, err
	}
	return g, nil
}

// Reopen reads the file again. On an error the database in use stays.
func (g *GeoIP) Reopen() error {
	content, err := os.ReadFile(g.path)
	if err != nil {
		return fmt.Errorf("read country database: %w", err)
	}
	db, err := maxminddb.OpenBytes(content)
	if err != nil {
		return fmt.Errorf("read country database %s: %w", g.path, err)
	}
	if err := requireCountries(db); err != nil {
		return fmt.Errorf("read country database %s: %w", g.path, err)
	}
	g.db.Store(db)
	return nil
}

// Close gives the database up; from then on no country is known. It never fails; the error is for io.Closer.
func (g *GeoIP) Close() error {
	g.db.Store(nil)
	return nil
}

// Country returns the two letters, or "" for an address that the database does not know or cannot know (IPv6 in an IPv4 database).
// It never blocks, and allocates only for a code that it has not met before.
func (g *GeoIP) Country(addr netip.Addr) string {
	db := g.db.Load()
	if db == nil || !addr.IsValid() {
		return ""
	}
	code := g.codes.Get().(*string)
	defer g.codes.Put(code)
	*code = ""
	if err := db.Lookup(addr.Unmap().WithZone("")).DecodePath(code, isoCode...); err != nil {
		return ""
	}
	return *code
}

// requireCountries refuses a database of something else, which would silently match no country entry.
func requireCountries(db *maxminddb.Reader) error {
	seen := 0
	for network := range db.Networks() {
		var code string
		if err := network.DecodePath(&code, isoCode...); err != nil {
			return fmt.Errorf("decode %v: %w", network.Prefix(), err)
		}
		if code != "" {
			return nil
		}
		if seen++; seen == sampleSize {
			break
		}
	}
	return errors.New("it holds no country codes; a country, city or enterprise database does (type is " + db.Metadata.DatabaseType + ")")
}
