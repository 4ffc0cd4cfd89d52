// Package backend holds the facts about the servers: one fixed slot each, with its health and its counts, read and written by every loop without a lock.
//
// It knows neither addresses nor policy. What a server is (address, limits, weight) stands in the plan of internal/balance and may be replaced at any moment;
// what is known about it stands here and outlives every plan, because a slot belongs to an identity for the life of the process.
//
// Each bit and each word has one kind of writer: the prober says whether a server answers its checks, the loops say until when a failed connect keeps it out,
// the operator bans and drains. Nobody overwrites another's word, so no order between the three matters.
package backend
