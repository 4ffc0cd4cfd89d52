package control

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"pen/internal/acl"
	"pen/internal/backend"
	"pen/internal/balance"
)

// recentSeconds is how far back `recent` looks without a number (PEN.md 1.2).
const recentSeconds = 300

// mode says which of Pen's ways of choosing a server are on.
func mode(p *balance.Plan) string {
	return strings.Join([]string{onOff("hash", p.Hash), onOff("roundrobin", p.RoundRobin), onOff("stubborn", p.Stubborn), onOff("weight", p.Weight), onOff("prio", p.Prio)}, " ")
}

// onOff is the command that sets a switch so.
func onOff(name string, on bool) string {
	if on {
		return name
	}
	return "no " + name
}

// number reads the number of a query, which is 0 without one, as in Pen.
func number(args []string) (int, error) {
	if len(args) < 2 {
		return 0, nil
	}
	return atoi(args[1])
}

func askControl(in *Interpreter, _ Origin, _ []string) (string, error) {
	return line(in.world.ControlAddress()), nil
}

func askPid(*Interpreter, Origin, []string) (string, error) {
	return line(strconv.Itoa(os.Getpid())), nil
}

func askExit(in *Interpreter, _ Origin, _ []string) (string, error) {
	if !in.cfg.Exit {
		return "Exit is not enabled; restart with -X flag\n", errors.New("not enabled; -X does")
	}
	in.world.Exit()
	return "", nil
}

func askIdlers(in *Interpreter, _ Origin, _ []string) (string, error) {
	return fmt.Sprintf("Idlers: %d/%d\n", in.world.IdlersOpen(), in.state.Load().Plan.Idlers), nil
}

// askClose closes one connection. A number that is free gets Pen's reply all the same, and no count changes (PEN.md B11). What is no number closes nothing, where Pen closes connection 0.
func askClose(in *Interpreter, _ Origin, args []string) (string, error) {
	n, err := number(args)
	if err != nil {
		return "Connection " + args[1] + " out of range\n", err
	}
	closed := in.world.CloseConnection(n)
	if !closed && !in.inRange(n) {
		return outOfRange(n)
	}
	if !closed {
		err = fmt.Errorf("there is no connection %d", n)
	}
	return fmt.Sprintf("Forcibly closing connection %d\n", n), err
}

func (in *Interpreter) inRange(n int) bool { return n >= 0 && n < in.state.Load().Plan.MaxConns }

func outOfRange(n int) (string, error) {
	reply := fmt.Sprintf("Connection %d out of range\n", n)
	return reply, errors.New(strings.ToLower(strings.TrimSpace(reply)))
}

func askConnection(in *Interpreter, _ Origin, args []string) (string, error) {
	n, err := number(args)
	c := Connection{Number: n, DownFD: -1, UpFD: -1}
	found := false
	in.world.Connections(func(at Connection) bool {
		if found = at.Number == n; found {
			c = at
		}
		return !found
	})
	if !found && !in.inRange(n) {
		return outOfRange(n)
	}
	return fmt.Sprintf("Connection %d:\nstate = %d\ndownfd = %d, upfd = %d\nclient = %d, server = %d\npend = %d\n",
		n, c.State, c.DownFD, c.UpFD, c.Client, c.Server, c.Pending), err
}

func askSocket(in *Interpreter, _ Origin, args []string) (string, error) {
	fd, err := number(args)
	owner := -1
	in.world.Connections(func(c Connection) bool {
		if fd >= 0 && (c.DownFD == fd || c.UpFD == fd) {
			owner = c.Number
		}
		return owner < 0
	})
	return fmt.Sprintf("Socket %d belongs to connection %d\n", fd, owner), err
}

func askRecent(in *Interpreter, _ Origin, args []string) (string, error) {
	seconds := recentSeconds
	var err error
	if len(args) > 1 {
		seconds, err = atoi(args[1])
	}
	in.world.Settle()
	var reply strings.Builder
	in.world.Clients(func(c Client) bool {
		if int64(c.Age/time.Second) <= int64(seconds) {
			who := "unix" // Pen prints what lies in memory there
			if c.Addr.IsValid() {
				who = c.Addr.String()
			}
			fmt.Fprintf(&reply, "%s connects %d sx %d rx %d\n", who, c.Connects, c.Sent, c.Received)
		}
		return true
	})
	return reply.String(), err
}

func askServers(in *Interpreter, _ Origin, _ []string) (string, error) {
	in.world.Settle()
	var reply strings.Builder
	for i, s := range in.state.Load().Plan.Servers {
		slot := new(backend.Slot)
		if s.ID != backend.None {
			slot = in.world.Slot(s.ID)
		}
		addr, port := place(s.Addr)
		fmt.Fprintf(&reply, "%d addr %s port %d conn %d max %d hard %d weight %d prio %d sx %d rx %d\n",
			i, addr, port, slot.Live(), s.Soft, s.Hard, s.Weight, s.Prio, slot.Up(), slot.Down())
	}
	return reply.String(), nil
}

// place is how Pen shows an address: a Unix socket has port 1, and what has no address yet keeps its open parenthesis (PEN.md 1.2).
func place(a balance.Address) (addr string, port int) {
	switch {
	case a.Path != "":
		return a.Path, 1
	case !a.IP.Addr().IsValid():
		return unknownAddress, 0
	default:
		return a.IP.Addr().String(), int(a.IP.Port())
	}
}

func askStatus(in *Interpreter, _ Origin, _ []string) (string, error) {
	const unable = "Unable to create webstats\n"
	if in.state.Load().WebStats == "" {
		return unable, errors.New("nowhere to write the page to; web_stats FILE or -w names a file")
	}
	in.world.Settle()
	page, err := in.world.StatusPage()
	if err != nil {
		return unable, err
	}
	return string(page), nil
}

// askTarpitACL replies as Pen would, which takes -1, none, besides the numbers of lists.
func askTarpitACL(_ *Interpreter, _ Origin, args []string) (string, error) {
	if len(args) < 2 {
		return "tarpit_acl = -1", nil
	}
	n, _ := atoi(args[1])
	if n != -1 {
		n = acl.Number(n)
	}
	return fmt.Sprintf("tarpit_acl = %d", n), fmt.Errorf("%w: tarpit_acl", ErrNotSupported)
}
