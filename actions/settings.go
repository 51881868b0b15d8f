package actions

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/goccy/go-yaml"
)

// Settings are the settings of one action as the policy file has them.
type Settings struct {
	with []byte
	line int
}

// NewSettings makes settings of the YAML with, whose first line is the given
// line of its file.
func NewSettings(with []byte, line int) Settings { return Settings{with, line} }

// Decode reads the settings into the struct that into points to. An unknown or
// repeated key and a value of the wrong type are mistakes.
func (s Settings) Decode(into any) error {
	err := yaml.NewDecoder(bytes.NewReader(s.with), yaml.Strict()).Decode(into)
	if err == nil || errors.Is(err, io.EOF) { // no settings at all: into stays as it is
		return nil
	}
	y, ok := errors.AsType[yaml.Error](err)
	if !ok || y.GetToken() == nil {
		return &Mistake{Line: s.line, Column: 1, What: err.Error()}
	}
	p := y.GetToken().Position
	return &Mistake{Line: s.at(p.Line), Column: p.Column, What: y.GetMessage()}
}

// Mistake makes an error about the setting at a YAML path such as "$.url". Where
// the setting is missing, it points to where the settings begin.
func (s Settings) Mistake(path, format string, args ...any) error {
	m := &Mistake{Line: s.line, Column: 1, What: fmt.Sprintf(format, args...)}
	p, err := yaml.PathString(path)
	if err != nil {
		return m
	}
	node, err := p.ReadNode(bytes.NewReader(s.with))
	if err != nil || node.GetToken() == nil {
		return m
	}
	at := node.GetToken().Position
	m.Line, m.Column = s.at(at.Line), at.Column
	return m
}

func (s Settings) at(line int) int { return max(s.line, 1) + line - 1 }

// Mistake is one mistake in an action's settings, and where it is.
type Mistake struct {
	Line, Column int // of the policy file, from 1
	What         string
}

func (m *Mistake) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", m.Line, m.Column, m.What)
}
