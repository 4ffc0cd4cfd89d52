package process

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"

	"pen/internal/sys"
)

// pidVariable names the process for which listeners are meant that a service manager passes on (sd_listen_fds(3)).
const pidVariable = "LISTEN_PID"

// Inherited is a listener that a service manager opened and passed on to this process. It keeps a copy of its own, so that the socket outlives us.
type Inherited struct {
	FD   *sys.FD
	At   netip.AddrPort // zero for a Unix socket
	Path string         // of a Unix socket
}

func (i Inherited) String() string {
	if i.Path != "" {
		return i.Path
	}
	return i.At.String()
}

// Inherit takes over the listeners that are meant for this process, in the order of the service manager, and takes their names out of the environment. None is no error; one that is not a listener is,
// and the others are closed. The caller owns them.
func Inherit() (all []Inherited, err error) {
	defer func() {
		if err != nil {
			for _, one := range all {
				one.FD.Close()
			}
			all = nil
		}
	}()
	for _, file := range activation.Files(true) {
		one, e := adopt(file)
		if e != nil && err == nil {
			err = fmt.Errorf("inherit descriptor %d (%s): %w", file.Fd(), file.Name(), e)
		}
		file.Close()
		if one.FD != nil {
			all = append(all, one)
		}
	}
	return all, err
}

// adopt returns a listener with a descriptor that no File closes behind our back.
func adopt(file *os.File) (one Inherited, err error) {
	n := int(file.Fd())
	if one.At, one.Path, err = sys.Listening(n); err != nil {
		return one, err
	}
	one.FD, err = sys.Own(n).Dup()
	return one, err
}

// isPassed says whether listeners are meant for this process.
func isPassed() bool { return os.Getenv(pidVariable) == strconv.Itoa(os.Getpid()) }
