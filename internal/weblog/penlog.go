package weblog

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

// webDatagram is the longest datagram that penlog sends, in bytes, with the line's end. Debian's penlogd writes outside of its buffer at 1024 (PEN.md B18).
const webDatagram = 1023

// complaintEvery is how often penlog says at most that it cannot send. What it says ends in the web server's error log.
const complaintEvery = time.Minute

var penlogTool = tool{"penlog", `Usage: penlog server_ip server_port [my_ip]
       penlog server_ip:server_port [my_ip]

Sends each line that it reads to penlogd, as a UDP datagram, until its input ends.
It is meant for a web server's piped log: CustomLog "|/usr/bin/penlog 10.0.0.1 10000" common

An IPv6 address with a port behind it stands in brackets, as in [2001:db8::1]:10000.
my_ip is the address to send from. It must be the one that pen knows this web server by.
A line of more than 1022 bytes is cut there, and the first time penlog says so.
Lines that cannot be sent are lost. penlog says so, at most once a minute, and goes on.
`}

// Penlog is penlog: args are the arguments behind the program's name, and the result is the exit status. It runs until stdin ends.
func Penlog(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := penlogTool.newFlags()
	err := penlog(flags, args, stdin, stderr)
	return penlogTool.report(err, flags, stdout, stderr)
}

func penlog(flags *pflag.FlagSet, args []string, stdin io.Reader, stderr io.Writer) error {
	args, err := penlogTool.parse(flags, args)
	if err != nil {
		return err
	}
	host, port, from, err := penlogAddresses(args)
	if err != nil {
		return err
	}
	conn, to, err := penlogSocket(host, port, from)
	if err != nil {
		return err
	}
	defer conn.Close()
	s := &sender{to: to.String(), stderr: stderr, now: time.Now, send: func(datagram []byte) error {
		_, err := conn.WriteToUDP(datagram, to)
		return err
	}}
	return s.run(stdin)
}

// penlogAddresses tells the two ways of writing the server apart. A bare IPv6 address is an address alone.
func penlogAddresses(args []string) (host, port, from string, err error) {
	if len(args) == 0 {
		return "", "", "", penlogTool.usagef("server_ip is missing")
	}
	host, args = args[0], args[1:]
	if _, notAddress := netip.ParseAddr(host); notAddress != nil {
		if h, p, err := net.SplitHostPort(host); err == nil {
			host, args = h, append([]string{p}, args...)
		}
	}
	switch len(args) {
	case 0:
		return "", "", "", penlogTool.usagef("server_port is missing behind %q", host)
	case 1:
	case 2:
		from = args[1]
	default:
		return "", "", "", penlogTool.usagef("too many arguments, from %q on", args[2])
	}
	port = args[0]
	if n, err := net.LookupPort("udp", port); err != nil || n == 0 {
		return "", "", "", penlogTool.usagef("server_port %q: must be 1..65535 or the name of a UDP service", port)
	}
	return host, port, from, nil
}

// penlogSocket opens the socket. It is not connected: which route and so which address a datagram takes is then decided anew for each, and no error meant for an earlier one costs the next.
func penlogSocket(host, port, from string) (*net.UDPConn, *net.UDPAddr, error) {
	network, local := "udp", &net.UDPAddr{}
	if from != "" {
		ip, err := net.ResolveIPAddr("ip", from)
		if err != nil {
			return nil, nil, fmt.Errorf("look up my_ip %q: %w", from, err)
		}
		local.IP, local.Zone = ip.IP, ip.Zone
		network = family(ip.IP)
	}
	to, err := net.ResolveUDPAddr(network, net.JoinHostPort(host, port))
	if err != nil {
		return nil, nil, fmt.Errorf("look up server_ip %q: %w", host, err)
	}
	conn, err := net.ListenUDP(family(to.IP), local)
	if err != nil {
		return nil, nil, fmt.Errorf("open a socket to send from: %w", err)
	}
	return conn, to, nil
}

func family(ip net.IP) string {
	if ip.To4() != nil {
		return "udp4"
	}
	return "udp6"
}

// sender sends lines and does not let itself be stopped.
type sender struct {
	// constant after penlog
	to     string
	send   func(datagram []byte) error
	now    func() time.Time
	stderr io.Writer

	// owned by run
	saidCut bool
	lost    int       // lines since the last complaint
	quiet   time.Time // until then no complaint
}

// run ends with the input. An error is one of reading.
func (s *sender) run(stdin io.Reader) error {
	lines := newLineReader(stdin)
	datagram := make([]byte, 0, webDatagram)
	for {
		line, _, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if len(line) >= webDatagram {
			line = line[:characters(line, webDatagram-1)]
			if !s.saidCut {
				fmt.Fprintf(s.stderr, "penlog: a line is longer than %d bytes and is cut there, and so will others be\n", webDatagram-1)
				s.saidCut = true
			}
		}
		datagram = append(append(datagram[:0], line...), '\n')
		if err := s.send(datagram); err != nil {
			s.complain(err)
		}
	}
}

func (s *sender) complain(err error) {
	s.lost++
	if now := s.now(); !now.Before(s.quiet) {
		fmt.Fprintf(s.stderr, "penlog: send to %s: %v; lines lost since this was said last: %d\n", s.to, err, s.lost)
		s.lost, s.quiet = 0, now.Add(complaintEvery)
	}
}

// characters is how many of the first n bytes of a longer text are whole characters. Where the bytes are not UTF-8, it is n.
func characters(text []byte, n int) int {
	for i := n; i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			return i
		}
	}
	return n
}
