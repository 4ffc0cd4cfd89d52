package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
)

// order makes a control command for a server from what the request says.
type order func(server int, body io.Reader) (command string, err error)

func drain(server int, _ io.Reader) (string, error) {
	return fmt.Sprintf("server %d drain", server), nil
}

func undrain(server int, _ io.Reader) (string, error) {
	return fmt.Sprintf("server %d undrain", server), nil
}

// blacklist keeps a server out for so many seconds from now; 0 lets it back.
func blacklist(server int, body io.Reader) (string, error) {
	var to struct {
		Seconds *int `json:"seconds"`
	}
	return number(body, &to, func() *int { return to.Seconds }, fmt.Sprintf("server %d blacklist", server), "seconds")
}

func weight(server int, body io.Reader) (string, error) {
	var to struct {
		Weight *int `json:"weight"`
	}
	return number(body, &to, func() *int { return to.Weight }, fmt.Sprintf("server %d weight", server), "weight")
}

// number reads a body of one number and puts it behind a command.
func number(body io.Reader, to any, value func() *int, command, name string) (string, error) {
	in := json.NewDecoder(body)
	in.DisallowUnknownFields()
	if err := in.Decode(to); err != nil {
		return "", fmt.Errorf("read the body: %w", err)
	}
	n := value()
	if n == nil {
		return "", fmt.Errorf("%s is missing", name)
	}
	if *n < 0 || *n > math.MaxInt32 {
		return "", fmt.Errorf("%s %d is not one of 0 to %d", name, *n, math.MaxInt32)
	}
	return fmt.Sprintf("%s %d", command, *n), nil
}

// act carries an order out for who may give it, and answers with the server as it is then.
func (s *Window) act(o order) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if status, err := s.mayAct(r); err != nil {
			if status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="pen"`)
			}
			s.log.Warn("an action on the web page is refused", "client", r.RemoteAddr, "path", r.URL.Path, "error", err)
			refuse(w, status, err)
			return
		}
		server, ok := s.server(w, r)
		if !ok {
			return
		}
		if server.Number < 0 { // the words have no number for it
			refuse(w, http.StatusConflict, errors.New("the emergency and the abuse server take no orders"))
			return
		}
		command, err := o(server.Number, r.Body)
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		if _, err := s.world.Do(command); err != nil {
			refuse(w, http.StatusConflict, err)
			return
		}
		s.log.Info("an action on the web page", "client", r.RemoteAddr, "command", command)
		s.getServer(w, r)
	}
}
