package process

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
)

// handler makes a slog record one line in Pen's shape: "text key=value". Groups become a prefix, "group.key=value". Safe from any goroutine.
type handler struct {
	// constant after it was made
	least  slog.Leveler
	sink   *sink
	attrs  string // of WithAttrs, ready to be appended to the text
	groups string // of WithGroup, each followed by a dot
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.least.Level() }

// Handle implements slog.Handler. It neither blocks nor fails.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	text := []byte(r.Message)
	if strings.ContainsFunc(r.Message, notPrintable) {
		text = strconv.AppendQuote(nil, r.Message)
	}
	text = append(text, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		text = appendAttr(text, h.groups, a)
		return true
	})
	h.sink.put(entry{when: r.Time, level: r.Level, text: string(text)})
	return nil
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	text := []byte(h.attrs)
	for _, a := range attrs {
		text = appendAttr(text, h.groups, a)
	}
	with.attrs = string(text)
	return &with
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.groups += name + "."
	}
	return &with
}

// appendAttr appends " prefix.key=value", and nothing for an empty attribute or group, as slog.Handler asks.
func appendAttr(text []byte, prefix string, a slog.Attr) []byte {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range value.Group() {
			text = appendAttr(text, prefix, member)
		}
		return text
	}
	if a.Key == "" && value.Equal(slog.Value{}) {
		return text
	}
	text = append(text, ' ')
	text = appendWord(text, prefix+a.Key)
	text = append(text, '=')
	return appendWord(text, value.String())
}

// appendWord appends text that cannot be taken for more than one word or one line: quoted if need be.
func appendWord(text []byte, word string) []byte {
	if word == "" || strings.ContainsFunc(word, func(r rune) bool { return r == ' ' || r == '=' || r == '"' || notPrintable(r) }) {
		return strconv.AppendQuote(text, word)
	}
	return append(text, word...)
}

// notPrintable says whether r would break the line or the terminal. An invalid byte comes as the replacement character, which is as suspicious.
func notPrintable(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
