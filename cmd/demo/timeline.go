package demo

import (
	"fmt"
	"io"
	"time"
)

// tone is how a line of the timeline is meant.
type tone string

const (
	plain tone = ""
	dim   tone = "\x1b[2m"
	bold  tone = "\x1b[1m"
	good  tone = "\x1b[32m"
	bad   tone = "\x1b[31m"

	reset = "\x1b[0m"
)

// timeline prints what happens, with the seconds since the start.
type timeline struct {
	out   io.Writer
	color bool
	start time.Time
}

func (l *timeline) say(t tone, format string, args ...any) {
	l.line(t, fmt.Sprintf("%6.1f s  %s", time.Since(l.start).Seconds(), fmt.Sprintf(format, args...)))
}

// line prints a line without its time.
func (l *timeline) line(t tone, text string) {
	if l.color && t != plain {
		text = string(t) + text + reset
	}
	fmt.Fprintln(l.out, text)
}
