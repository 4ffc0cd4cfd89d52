package process

// Place is what a process gives up and where it leaves its mark: all of it optional.
type Place struct {
	User    string // to become
	Chroot  string // to be the root directory
	PidFile string // inside the jail
}

// Take does it in Pen's order: it looks the user up, enters the jail, becomes the user, runs inside, for what has to be opened there, and writes the pid file. The file is the caller's to remove; nil if none was asked for.
// After an error the process may have done part of it and must end.
func (p Place) Take(inside func() error) (*PidFile, error) {
	var user *User
	if p.User != "" {
		var err error
		if user, err = LookupUser(p.User); err != nil {
			return nil, err
		}
	}
	if err := Drop(user, p.Chroot); err != nil {
		return nil, err
	}
	if err := inside(); err != nil {
		return nil, err
	}
	if p.PidFile == "" {
		return nil, nil
	}
	return WritePidFile(p.PidFile)
}
