package weblog

import (
	"bytes"
	"fmt"
)

// rescan finds clients by reading the whole of pen's log for each. It keeps nothing, and records may be any time away.
type rescan struct {
	// constant after newRescan
	first *logFile // what is wrong with the log is told of this reading

	// owned by the caller
	again  bool   // the first reading is over
	server []byte // the name last made
	client []byte // the answer given last
}

// newRescan takes a log that can be opened again and again.
func newRescan(log *logFile) (*rescan, error) {
	if !log.regular() {
		return nil, fmt.Errorf("read %s for every line (-c): not a regular file", log.name)
	}
	return &rescan{first: log}, nil
}

func (s *rescan) file() *logFile { return s.first }

func (s *rescan) find(server, request []byte, at int64) []byte {
	log := s.first
	if s.again {
		var err error
		if log, err = openLog(s.first.name, nil); err != nil {
			s.first.err = err
			return nil
		}
		defer log.close()
	}
	s.again = true
	found, best := kinship(none), int64(0)
	for line, ok := log.next(); ok; line, ok = log.next() {
		p, ok := parsePenLine(line)
		if !ok {
			log.leaveOut()
			continue
		}
		log.use(p.epoch)
		kin := compareRequests(p.request, request)
		if kin == none || kin < found || !p.usable() {
			continue
		}
		if s.server = appendServer(s.server[:0], p.server); !bytes.Equal(s.server, server) {
			continue
		}
		if kin > found || distance(p.epoch, at) < best {
			found, best = kin, distance(p.epoch, at)
			s.client = append(s.client[:0], p.client...)
		}
	}
	if found == none {
		return nil
	}
	return s.client
}

// kinship is how good a match is; only the best sort found counts.
type kinship uint8

const (
	none  kinship = iota
	begun         // pen's file had no room for more
	same          // as far as requests are compared
)

// compareRequests compares one in pen's log with one in a web server's: recent.match for a single record.
func compareRequests(pens, webs []byte) kinship {
	switch {
	case bytes.Equal(pens[:min(len(pens), requestLimit)], webs[:min(len(webs), requestLimit)]):
		return same
	case len(pens) == fileLimit && bytes.HasPrefix(webs, pens):
		return begun
	default:
		return none
	}
}
