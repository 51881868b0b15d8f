// Package document reads a YAML file into typed values and names every mistake
// in it, all at once, with line, column and what was expected.
//
// It is strict: unknown keys, repeated keys, values of a wrong kind, numbers
// out of range, environment variables that are not set and a second document
// in the file are mistakes. Nothing is replaced by a default behind the
// writer's back; what the file does not mention keeps the value that the caller
// put there before decoding.
//
// Strings may use ${env:NAME} and ${env:NAME:-default}; "$$" stands for "$".
package document

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Mistake is one thing wrong in a file.
type Mistake struct {
	File    string
	Line    int    // from 1; 0 when the mistake has no place
	Column  int    // from 1
	Path    string // "policies[0].mode"; "" for the whole file
	Message string // what is there, and what was expected
}

// Error gives the mistake in the form that editors can jump to.
func (m Mistake) Error() string {
	where := m.File
	if m.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", m.File, m.Line, m.Column)
	}
	if m.Path == "" {
		return where + ": " + m.Message
	}
	return where + ": " + m.Path + ": " + m.Message
}

// Mistakes are all mistakes of a file, in the order of the text.
type Mistakes []Mistake

// Error gives one mistake a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, x := range m {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// Env looks up an environment variable, as os.LookupEnv does.
type Env func(name string) (value string, ok bool)

// Document is a parsed file. Use it from one goroutine.
type Document struct {
	file     string
	root     ast.Node // nil for an empty file
	env      Env
	places   map[string]*token.Token // of every path decoded
	mistakes Mistakes
}

// Parse reads the text of a file. Syntax errors are kept as mistakes of the document.
func Parse(file string, text []byte, env Env) *Document {
	d := &Document{file: file, env: env, places: map[string]*token.Token{}}
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		d.syntax(err)
		return d
	}
	var bodies []ast.Node
	for _, doc := range f.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) > 1 {
		d.wrong(bodies[1].GetToken(), "", "a second document begins here; put everything into one")
	}
	if len(bodies) > 0 {
		d.root = bodies[0]
	}
	return d
}

// Decode fills the struct that into points to. Mistakes are collected; see [Document.Err].
func (d *Document) Decode(into any) {
	if d.root == nil {
		return
	}
	d.value(d.root, "", pointee(into))
}

// Wrong adds a mistake at a path that was decoded, or at the nearest one above it.
func (d *Document) Wrong(path, format string, args ...any) {
	at := path
	for at != "" && d.places[at] == nil {
		at = parent(at)
	}
	d.wrong(d.places[at], path, format, args...)
}

// WrongAt adds a mistake at a place that the caller found by itself, in a [Raw] part of the file.
func (d *Document) WrongAt(line, column int, path, format string, args ...any) {
	d.mistakes = append(d.mistakes, Mistake{d.file, line, column, path, fmt.Sprintf(format, args...)})
}

// Has says whether the file has a value at path.
func (d *Document) Has(path string) bool { return d.places[path] != nil }

// Err is all mistakes in the order of the text as [Mistakes], or nil.
func (d *Document) Err() error {
	if len(d.mistakes) == 0 {
		return nil
	}
	m := slices.Clone(d.mistakes)
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return m
}

func (d *Document) wrong(at *token.Token, path, format string, args ...any) {
	m := Mistake{File: d.file, Path: path, Message: fmt.Sprintf(format, args...)}
	if at != nil && at.Position != nil {
		m.Line, m.Column = at.Position.Line, at.Position.Column
	}
	d.mistakes = append(d.mistakes, m)
}

func (d *Document) syntax(err error) {
	var e yaml.Error
	if errors.As(err, &e) {
		d.wrong(e.GetToken(), "", "is not valid YAML: %s", e.GetMessage())
		return
	}
	d.wrong(nil, "", "is not valid YAML: %v", err)
}

// parent cuts the last element off a path: "a.b[0]" → "a.b" → "a" → "".
func parent(path string) string {
	i := strings.LastIndexAny(path, ".[")
	if i < 0 {
		return ""
	}
	return path[:i]
}
