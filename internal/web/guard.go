package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// minToken is the least length of a token, bytes: 128 bits as hexadecimal digits are twice that.
const minToken = 16

// ReadToken reads the file of the token. One that others may read is refused, and so is one that could be guessed.
func ReadToken(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read the token of the web page: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read the token of the web page: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("read the token of the web page: others may read %s: chmod 600 it", file)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxBody))
	if err != nil {
		return "", fmt.Errorf("read the token of the web page: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if len(secret) < minToken || strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", fmt.Errorf("read the token of the web page: %s must hold one word of at least %d letters and digits, as from: openssl rand -hex 16", file, minToken)
	}
	return secret, nil
}

// token is a secret, kept as its hash, so that comparing takes the same time whatever is shown.
type token [sha256.Size]byte

func newToken(secret string) *token {
	if secret == "" {
		return nil
	}
	t := token(sha256.Sum256([]byte(secret)))
	return &t
}

func (t *token) matches(secret string) bool {
	shown := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(shown[:], t[:]) == 1
}

// sameOrigin refuses what a browser was told to send by another site.
var sameOrigin = http.NewCrossOriginProtection()

// mayAct says whether a request may change something, and if not the status to answer with.
func (s *Window) mayAct(r *http.Request) (status int, err error) {
	if s.token == nil {
		return http.StatusForbidden, errors.New("read only: pen was started without --web-token")
	}
	if err := sameOrigin.Check(r); err != nil {
		return http.StatusForbidden, err
	}
	secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || !s.token.matches(secret) {
		return http.StatusUnauthorized, errors.New("the token of --web-token is needed: Authorization: Bearer TOKEN")
	}
	return http.StatusOK, nil
}

// guard is around every request: what a browser may do with the answers, and who may ask.
func (s *Window) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if s.local && !isHere(r.Host) {
			// A name that leads to 127.0.0.1 is how a site gets a browser to read what is for this machine only.
			refuse(w, http.StatusMisdirectedRequest, fmt.Errorf("the host %q is not this machine: use 127.0.0.1 or localhost", r.Host))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// isHere reports that a Host header names this machine in a way that nobody else can have made up.
func isHere(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	_, err = netip.ParseAddr(name)
	return err == nil
}
