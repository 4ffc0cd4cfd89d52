package balance

import (
	"fmt"
	"slices"
)

// OnNoServer says what a client meets when no server is to be had.
type OnNoServer uint8

// The ways to meet a client without a server.
const (
	CloseOrderly  OnNoServer = iota // it is accepted, and closed with FIN
	CloseByReset                    // it is accepted, and closed with RST
	CloseListener                   // the same as CloseOrderly; while no server is usable it is not even accepted
)

var onNoServers = []string{CloseOrderly: "accept", CloseByReset: "reset", CloseListener: "close-listener"}

func (v OnNoServer) String() string { return onNoServers[v] }

// ParseOnNoServer reads accept, reset or close-listener.
func ParseOnNoServer(text string) (OnNoServer, error) {
	i := slices.Index(onNoServers, text)
	if i < 0 {
		return CloseOrderly, fmt.Errorf("%q is not accept, reset or close-listener", text)
	}
	return OnNoServer(i), nil
}
