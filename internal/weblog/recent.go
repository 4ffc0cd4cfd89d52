package weblog

import (
	"bytes"
	"hash/maphash"
)

// recent holds pen's records of a while, oldest first, and finds those of a given request to a given server. It takes about 70 bytes for a record besides its text. It is not safe for concurrent use.
//
// Keys meet by a 64-bit hash with a seed of the process. Two keys with one hash, of which there is a chance of 1 in 10⁹ among 200 000, can hide a record, but never make a wrong match.
type recent struct {
	// constant after newRecent
	seed maphash.Seed

	// owned by the caller
	pages    []*page
	first    uint32 // the number of pages[0]; counting starts at 1
	spare    *page  // the last page emptied, for use again
	head     ref    // the oldest record, if count > 0
	count    int
	newest   map[uint64]ref // by the key's hash; only records still held
	last     int64          // the time of the record added last
	disorder ref            // the record added last whose time was before that of its predecessor
	key      []byte         // what add, find and nearest are about
	hash     uint64         // of key
}

// ref names a record: the page's number above 32 bits of index. A greater one is a newer one; one below head is of a record that is no more held, and zero is of none.
type ref uint64

// record is what is kept of a penLine. The text is in the page: the client, and then the key.
type record struct {
	// constant after add
	time        int64 // unix seconds
	hash        uint64
	older       ref    // the record before this one in its chain
	jump        ref    // one further back, span records away
	span        uint32 // 0: the oldest of its chain when it was added
	start       uint32 // of the text
	client, key uint16 // lengths in bytes
}

// page holds records that came together. Their text does not grow beyond its first capacity, and nothing in it is freed before all of it is.
type page struct {
	// owned by recent
	records []record
	text    []byte
}

// pageSize is the room for text in a page, in bytes. The longest record, of two names and a request, fits several times.
const pageSize = 64 << 10

func newRecent() *recent {
	return &recent{seed: maphash.MakeSeed(), first: 1, head: makeRef(1, 0), newest: map[uint64]ref{}}
}

func makeRef(page uint32, index int) ref { return ref(page)<<32 | ref(index) }

// at is the record named by r, which must be held, and its page. The pointer is good until the next add.
func (r *recent) at(at ref) (*record, *page) {
	p := r.pages[uint32(at>>32)-r.first]
	return &p.records[uint32(at)], p
}

func (r *recent) time(at ref) int64 {
	rec, _ := r.at(at)
	return rec.time
}

func (r *recent) client(at ref) []byte {
	rec, p := r.at(at)
	return p.text[rec.start:][:rec.client]
}

func (r *recent) isInUse(at ref) bool {
	rec, p := r.at(at)
	return bytes.Equal(p.text[rec.start+uint32(rec.client):][:rec.key], r.key)
}

// oldest is the time of the record that drop would drop. There must be one.
func (r *recent) oldest() int64 { return r.time(r.head) }

// use says what the next calls are about: a request to a server. That has at most nameLimit bytes.
func (r *recent) use(server, request []byte) {
	r.key = appendKey(r.key[:0], server, request)
	r.hash = maphash.Bytes(r.seed, r.key)
}

// add makes a record of what is in use, the newest one. The client has at most nameLimit bytes.
func (r *recent) add(time int64, client []byte) {
	if n := len(r.pages); n == 0 || len(r.pages[n-1].text)+len(client)+len(r.key) > pageSize {
		p := r.spare
		if r.spare = nil; p == nil {
			p = &page{text: make([]byte, 0, pageSize)}
		}
		r.pages = append(r.pages, p)
	}
	p := r.pages[len(r.pages)-1]
	rec := record{time: time, hash: r.hash, start: uint32(len(p.text)), client: uint16(len(client)), key: uint16(len(r.key))}
	if older, ok := r.newest[r.hash]; ok {
		r.link(&rec, older)
	}
	at := makeRef(r.first+uint32(len(r.pages)-1), len(p.records))
	p.records = append(p.records, rec)
	p.text = append(append(p.text, client...), r.key...)
	r.newest[r.hash] = at
	if time < r.last {
		r.disorder = at
	}
	r.last = time
	r.count++
}

// isRepeat says that adding a record for what is in use would be of no use to nearest: there is one of the same time, which comes first, and all between the two are of that time too,
// so that it is not dropped before the other would be.
func (r *recent) isRepeat(time int64) bool {
	newest, ok := r.find()
	return ok && time == r.last && r.time(newest) == time && r.disorder <= newest
}

// drop forgets the oldest record. There must be one.
func (r *recent) drop() {
	rec, p := r.at(r.head)
	if r.newest[rec.hash] == r.head {
		delete(r.newest, rec.hash)
	}
	r.count--
	if r.head++; int(uint32(r.head)) < len(p.records) {
		return
	}
	n := copy(r.pages, r.pages[1:])
	r.pages[n] = nil
	r.pages = r.pages[:n]
	r.first++
	r.head = makeRef(r.first, 0)
	p.records, p.text = p.records[:0], p.text[:0]
	r.spare = p
}

// match is the record that lookup, which is find or nearest, has for a request to a server: for as much of it as is compared, or else for what fits in pen's file.
func (r *recent) match(server, request []byte, lookup func() (ref, bool)) (at ref, ok bool) {
	r.use(server, request)
	if at, ok = lookup(); ok || len(request) <= fileLimit {
		return at, ok
	}
	r.use(server, request[:fileLimit])
	return lookup()
}

// find is the newest record of what is in use.
func (r *recent) find() (newest ref, ok bool) {
	newest, ok = r.newest[r.hash]
	return newest, ok && r.isInUse(newest)
}
