package process

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// User is whom to become: a user and his primary group.
type User struct {
	Name     string // as it was given
	UID, GID int
}

// LookupUser finds a user by name, or by number if nobody has that name. A number that is nobody's is taken as the group's too.
// Call it before Drop: inside a jail there is no list of users. The error reads `look up user "x": no such user`.
func LookupUser(name string) (*User, error) {
	found, err := user.Lookup(name)
	uid, numeric := parseID(name)
	if err != nil && numeric {
		found, err = user.LookupId(name)
		if errors.As(err, new(user.UnknownUserIdError)) {
			return &User{Name: name, UID: uid, GID: uid}, nil
		}
	}
	if errors.As(err, new(user.UnknownUserError)) {
		return nil, fmt.Errorf("look up user %q: no such user", name)
	}
	if err != nil {
		return nil, fmt.Errorf("look up user %q: %w", name, err)
	}
	uid, okUID := parseID(found.Uid)
	gid, okGID := parseID(found.Gid)
	if !okUID || !okGID {
		return nil, fmt.Errorf("look up user %q: no number in %q or %q", name, found.Uid, found.Gid)
	}
	return &User{Name: name, UID: uid, GID: gid}, nil
}

// parseID reads a user or group number. The highest one is missing: as -1 it means "leave it as it is" to the kernel.
func parseID(text string) (int, bool) {
	id, err := strconv.ParseUint(text, 10, 32)
	return int(id), err == nil && id < math.MaxUint32
}

// Drop makes dir the root and the working directory, unless it is "", and becomes the user, unless it is nil, in every thread: first the supplementary groups go, then the group, then the user.
// It makes sure that there is no way back to root. After an error the process may have done part of it and must end.
func Drop(to *User, dir string) error {
	if dir != "" {
		if err := syscall.Chroot(dir); err != nil {
			return fmt.Errorf("change root to %s: %w", dir, err)
		}
		if err := os.Chdir("/"); err != nil {
			return fmt.Errorf("enter the new root %s: %w", dir, bare(err))
		}
	}
	if to == nil {
		return nil
	}
	if !to.isSelf() {
		if err := to.become(); err != nil {
			return fmt.Errorf("become user %s: %w", to.Name, err)
		}
	}
	return to.confirm()
}

// isSelf says that there is nobody else to become; changing groups would need a right that an ordinary user does not have.
func (u *User) isSelf() bool {
	return os.Getuid() == u.UID && os.Geteuid() == u.UID && os.Getgid() == u.GID && os.Getegid() == u.GID && u.UID != 0
}

func (u *User) become() error {
	if err := syscall.Setgroups([]int{u.GID}); err != nil {
		return fmt.Errorf("set groups: %w", err)
	}
	if err := syscall.Setgid(u.GID); err != nil {
		return fmt.Errorf("set group %d: %w", u.GID, err)
	}
	if err := syscall.Setuid(u.UID); err != nil {
		return fmt.Errorf("set user %d: %w", u.UID, err)
	}
	return nil
}

// confirm checks that the process is the user and stays so: neither root nor root's group can be had back.
func (u *User) confirm() error {
	if os.Getuid() != u.UID || os.Geteuid() != u.UID || os.Getgid() != u.GID || os.Getegid() != u.GID {
		return fmt.Errorf("become user %s: still user %d, group %d", u.Name, os.Geteuid(), os.Getegid())
	}
	if u.UID != 0 && syscall.Setuid(0) == nil || u.UID != 0 && u.GID != 0 && syscall.Setgid(0) == nil {
		return fmt.Errorf("become user %s: it could become root again", u.Name)
	}
	return nil
}
