// Package acl holds Pen's ten access lists and says whether a client passes one of them.
//
// An entry permits or denies an IPv4 address under a mask, an IPv6 prefix, or a country. The first entry of a list that matches the client decides.
// If none does, the answer is the opposite of the last entry's verb; an empty list permits everybody; a Unix client is always permitted (PEN.md 1.16).
//
// Lists is an immutable value: an edit returns another Lists and leaves the old one as it was, so that a plan that holds one may be read by every loop without a lock.
// The package knows addresses and words only. Where a country comes from is asked of the caller's Countries; GeoIP is one, over a MaxMind database file.
package acl
