// Package scenario makes labelled recordings: a small world of services that
// call each other, its everyday noise, releases in several styles, and faults
// of a release or of nobody. What comes out is a folder as `unship replay`
// reads it: OTLP traces, logs and metrics in arrival order, announcements, and the label
// in truth.json.
//
// Every request is simulated as a trace. Requests do not queue for each other;
// load acts on latency through the effects of a scenario. All randomness comes
// from the seed: the same kind, seed and options give the same bytes.
//
// [Kinds] is the one list of what can be made; a new kind is one entry of it.
// Generating keeps nothing between calls, so several recordings may be made at
// once. Errors come from writing files, and from kinds that do not fit the
// world drawn, which is a mistake of the kind.
package scenario

import (
	"fmt"
	"strings"
	"time"

	"unship.dev/cmd/eval/truth"
)

// Kind is one kind of scenario.
type Kind struct {
	Name   string
	About  string            // one line for people
	Expect truth.Expectation // what counts as right
	Gross  bool              // the fault must be decided within a minute of its onset
	build  func(*builder)
}

// Harmless says that no release of the kind is at fault.
func (k Kind) Harmless() bool { return k.Expect == truth.ExpectNoRollback }

// Options says how large a recording is to be. The zero value means a world
// of usual traffic, eight minutes of history and eight minutes after.
type Options struct {
	Seed    uint64
	Scale   float64       // multiplies the traffic; 0 means 1
	History time.Duration // before the release; 0 means 8 minutes
	After   time.Duration // after it; 0 means 8 minutes
}

func (o Options) withDefaults() Options {
	if o.Scale == 0 {
		o.Scale = 1
	}
	if o.History == 0 {
		o.History = 8 * time.Minute
	}
	if o.After == 0 {
		o.After = 8 * time.Minute
	}
	return o
}

// Select gives the kinds that a comma-separated list names: by name, by prefix
// with a trailing star, or as "harmless", "faulty", "gross" and "all".
func Select(list string) ([]Kind, error) {
	chosen := map[string]bool{}
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		found := false
		for _, k := range Kinds() {
			if k.named(word) {
				chosen[k.Name], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("choose kinds: no kind of scenario is called %q; have %s", word, strings.Join(Names(), ", "))
		}
	}
	var kinds []Kind
	for _, k := range Kinds() {
		if chosen[k.Name] {
			kinds = append(kinds, k)
		}
	}
	return kinds, nil
}

func (k Kind) named(word string) bool {
	if prefix, ok := strings.CutSuffix(word, "*"); ok {
		return strings.HasPrefix(k.Name, prefix)
	}
	switch word {
	case "all":
		return true
	case "harmless":
		return k.Harmless()
	case "faulty":
		return !k.Harmless()
	case "gross":
		return k.Gross
	}
	return k.Name == word
}

// Names gives the names of all kinds, in the order of the list.
func Names() []string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return names
}

// Generate writes a recording of the kind into dir, which must exist, and
// gives its label.
func Generate(dir string, k Kind, o Options) (label truth.Truth, err error) {
	o = o.withDefaults()
	b := newBuilder(o)
	k.build(b)
	if b.err != nil {
		return truth.Truth{}, fmt.Errorf("make scenario %s with seed %d: %w", k.Name, o.Seed, b.err)
	}
	b.finish()
	if err := record(dir, b); err != nil {
		return truth.Truth{}, fmt.Errorf("record scenario %s with seed %d: %w", k.Name, o.Seed, err)
	}
	label = b.label(k)
	return label, truth.Write(dir, label)
}
