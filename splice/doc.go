// Package splice moves bytes from one socket to another through a pipe, inside the kernel: Drain takes them from a socket into the pipe, Pump from the pipe into a socket.
// It knows descriptors and nothing of epoll, connections or policy.
//
//	socket ──Drain──▶ [ Pipe: Data of Size bytes ] ──Pump──▶ socket
//
// Pool keeps pipes for one event loop, under a cap; whoever gets none copies instead. Flow decides for one direction of one connection whether to copy or to splice.
//
// # What EAGAIN means
//
// The kernel says EAGAIN both when a socket has nothing to give and when a pipe has no room, so it is never asked which: Pipe.Data, our own count, decides whether a pipe is empty or full.
// A pipe fills up by slots (one per page or fragment, Size/4096 of them), not only by bytes: sixty-four segments of a few bytes fill 256 KiB. Hence the caller's rules:
//
//   - EAGAIN from Drain means "the socket is empty" only if Data was 0 on entry. With data inside, Pump first, then Drain again, without waiting for an event.
//   - A short Drain means nothing at all: slots, not the socket, may have ended it. Only EAGAIN on an empty pipe, end of file or an error ends a round of draining.
//   - EAGAIN from Pump, which never asks while Data is 0, always means that the socket takes no more. So does a count that leaves Data above 0.
//
// A pipe that still holds data goes back with Put all the same: it is closed, and its bytes with it, so that no connection ever meets another one's.
package splice
