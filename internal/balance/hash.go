package balance

import (
	"encoding/binary"
	"math"

	"pen/affinity"

	"github.com/cespare/xxhash/v2"
)

// byHash picks by rendezvous (highest random weight; Thaler and Ravishankar 1998): client and server together are hashed, and the eligible server with the
// highest score has the client. A server that goes takes only its own clients along, wherever it stood in the list, and gets the same ones back.
// It reads all servers, which for a few hundred is cheaper than a ring is to build, and it is exact.
func (p *published) byHash(key affinity.Key, now int64, open bool) int {
	var pair [len(key) + 8]byte
	copy(pair[:], key[:])
	best, highest := nobody, 0.0
	for i := range p.Servers {
		binary.LittleEndian.PutUint64(pair[len(key):], p.seeds[i])
		score := float64(xxhash.Sum64(pair[:]))
		if p.weighs {
			score = weigh(score, p.Servers[i].Weight)
		}
		if (best == nobody || score > highest) && p.eligible(i, now, open) {
			best, highest = i, score
		}
	}
	return best
}

// weigh turns an even score of 0 to 2^64 into one that wins in proportion to weight (Schindelhauer and Schomaker 2005): -weight / ln of the score as a fraction.
// A changed weight moves clients to or from that server only.
func weigh(score float64, weight int) float64 {
	return -float64(weight) / math.Log((score+1)/(1<<64+1<<12))
}
