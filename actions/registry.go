package actions

import (
	"fmt"
	"slices"
	"strings"
)

// Factory makes the actions of one kind.
type Factory struct {
	Kind    string // as policies name it
	Summary string // one line: what it does
	// New reads the settings strictly, reports every mistake in them, and
	// touches no platform.
	New func(Settings) (Action, error)
}

// Registry knows the kinds of actions. It does not change once made.
type Registry struct {
	factories []Factory // sorted by kind
}

// NewRegistry makes a registry of the factories. Two of one kind are an error.
func NewRegistry(factories ...Factory) (*Registry, error) {
	sorted := slices.Clone(factories)
	slices.SortFunc(sorted, func(a, b Factory) int { return strings.Compare(a.Kind, b.Kind) })
	for i, f := range sorted {
		switch {
		case f.Kind == "" || f.New == nil:
			return nil, fmt.Errorf("register action %q: it needs a kind and a constructor", f.Kind)
		case i > 0 && sorted[i-1].Kind == f.Kind:
			return nil, fmt.Errorf("register action %q: two factories have this kind; rename one", f.Kind)
		}
	}
	return &Registry{sorted}, nil
}

// Factories lists what is registered, sorted by kind.
func (r *Registry) Factories() []Factory { return slices.Clone(r.factories) }

// New makes the action of one step. Its error is made of [Mistake] values.
func (r *Registry) New(s Spec) (Action, error) {
	i := slices.IndexFunc(r.factories, func(f Factory) bool { return f.Kind == s.Kind })
	if i < 0 {
		return nil, &Mistake{Line: s.Line, Column: 1, What: fmt.Sprintf("unknown action kind %q; have %s", s.Kind, r.kinds())}
	}
	a, err := r.factories[i].New(Settings{with: s.With, line: s.Line})
	if err != nil {
		return nil, fmt.Errorf("action %s: %w", s.Kind, err)
	}
	return a, nil
}

// Check gives every mistake of the specs, those of each in the order of its settings.
func (r *Registry) Check(specs []Spec) (all []Mistake) {
	for _, s := range specs {
		if s.Timeout < 0 || s.Retries < 0 {
			all = append(all, Mistake{Line: s.Line, Column: 1, What: fmt.Sprintf(
				"action %s: timeout is %v and retries %d; neither can be negative", s.Kind, s.Timeout, s.Retries)})
		}
		if _, err := r.New(s); err != nil {
			all = append(all, mistakesIn(err, s)...)
		}
	}
	return all
}

// mistakesIn finds the mistakes in a tree of errors. An error of a constructor
// that has no place gets the place of the settings.
func mistakesIn(err error, s Spec) (all []Mistake) {
	if m, ok := err.(*Mistake); ok { //nolint:errorlint // the tree is walked here
		return []Mistake{*m}
	}
	switch e := err.(type) { //nolint:errorlint // the tree is walked here
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(all, mistakesIn(inner, s)...)
		}
		return all
	case interface{ Unwrap() error }:
		if all = mistakesIn(e.Unwrap(), s); len(all) > 0 {
			return all
		}
	}
	return []Mistake{{Line: s.Line, Column: 1, What: err.Error()}}
}

func (r *Registry) kinds() string {
	names := make([]string, len(r.factories))
	for i, f := range r.factories {
		names[i] = f.Kind
	}
	return strings.Join(names, ", ")
}
