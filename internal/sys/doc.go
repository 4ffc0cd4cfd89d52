// Package sys is the one door to the kernel: the only importer of golang.org/x/sys/unix.
//
// Calls on the path of a byte (Accept, Connect, Recv, Send, Splice, Close, …) are raw and non-blocking: the Go scheduler never hears of them, they never allocate, and they return an errno
// instead of an error (0 is success). They are for non-blocking descriptors only; on a blocking one they would hold a whole P hostage.
// Measured: raw calls save about 10 % of a connection's CPU (DESIGN.md section 6).
//
// Calls made at start or seldom (Listen, NewEpoll, Pin, …) are ordinary and return wrapped errors.
package sys
