package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// The clients are 127.0.0.firstClient and the addresses after it. 127.0.0.1 is left out: it is who the user's own curl will be.
const (
	clientCount = 12
	firstClient = 11
	// requestTimeout is far above what any request here takes: one that reaches it has failed.
	requestTimeout = 3 * time.Second
)

// client is one address that makes requests, each on a connection of its own.
type client struct {
	// constant after newClients
	name string // its address
	url  string // of the balancer, without a path
	http http.Client
	// owned by the tour
	home int // the server that answered first; 0 = none yet
}

func newClients(front string) []*client {
	clients := make([]*client, clientCount)
	for i := range clients {
		ip := net.IPv4(127, 0, 0, byte(firstClient+i))
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}}
		clients[i] = &client{
			name: ip.String(),
			url:  "http://" + front,
			http: http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true}},
		}
	}
	return clients
}

// open makes a request and returns the answer once its header is there; the caller closes the body.
func (c *client) open(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("get %s%s: %s", c.url, path, resp.Status)
	}
	return resp, nil
}

// get makes one request and returns the number of the server that answered it.
func (c *client) get(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := c.open(ctx, "/")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, fmt.Errorf("read the answer from %s: %w", c.url, err)
	}
	n := serverNumber(string(body))
	if n == 0 {
		return 0, fmt.Errorf("get %s/: no server of ours wrote %.60q", c.url, strings.TrimSpace(string(body)))
	}
	return n, nil
}

// tally counts a client's requests by the server that answered; the zero server counts those that failed.
type tally struct {
	answers [serverCount + 1]int
	last    int // of the latest request
}

func (t *tally) add(server int) {
	t.answers[server]++
	t.last = server
}

func (t *tally) requests() int {
	n := 0
	for _, k := range t.answers {
		n += k
	}
	return n
}

func (t *tally) failed() int { return t.answers[0] }

// elsewhere counts the answers of other servers than home.
func (t *tally) elsewhere(home int) int {
	n := 0
	for server, k := range t.answers[1:] {
		if server+1 != home {
			n += k
		}
	}
	return n
}

func total(tallies []tally) (requests, failed int) {
	for i := range tallies {
		requests += tallies[i].requests()
		failed += tallies[i].failed()
	}
	return requests, failed
}
