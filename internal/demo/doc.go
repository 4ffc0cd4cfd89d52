// Package demo is the guided tour behind `pen demo`: three small web servers, the balancer in front of them as a child process, and four things to see. A client keeps its server;
// a server dies and nobody notices; it returns and its clients go home; a large transfer arrives byte for byte. Every step says what will happen, does it, and judges what happened.
//
// It is a black box to the balancer: it runs the program's own binary with a command line that anyone can copy, and knows only what its sockets and that program's log tell.
//
// The files in the order of the story: demo.go (from start to exit code), servers.go, child.go and journal.go (the cast), clients.go and load.go (who asks), tour.go (announce, judge, sum up),
// sticky.go, failure.go, transfer.go (the steps), screen.go and grid.go (what is seen).
package demo
