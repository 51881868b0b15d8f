package ingest

import (
	"cmp"
	"slices"

	"unship.dev"
)

// flagPrefix is what the traits of feature flags begin with; the flag's key follows.
const flagPrefix = "feature_flag."

// flagData is an evaluation of a feature flag as a span tells it, by an event or by its own
// attributes, or a log record: by the semantic conventions of today, or by those before them.
type flagData struct{ key, variant, value string }

// field gives the place of an attribute that matters, nil if it does not.
func (f *flagData) field(key string) *string {
	switch key {
	case "feature_flag.key":
		return &f.key
	case "feature_flag.result.variant", "feature_flag.variant":
		return &f.variant
	case "feature_flag.result.value":
		return &f.value
	}
	return nil
}

// isEvaluation says that an event of this name tells of a flag.
func isEvaluation(event string) bool {
	return event == "feature_flag.evaluation" || event == "feature_flag"
}

// whole says that it tells which flag has which value.
func (f *flagData) whole() bool {
	return f.key != "" && f.result() != "" && len(f.key) <= maxTraitKey && len(f.result()) <= maxTraitValue
}

// appendPattern writes the pattern of log records that tell of this value.
func (f *flagData) appendPattern(b []byte) []byte {
	return append(append(append(append(b, unship.FlagPattern...), f.key...), '='), f.result()...)
}

// result is the variant, which is the name of a value, or the value itself.
func (f *flagData) result() string { return cmp.Or(f.variant, f.value) }

// evaluated makes a flag's value a trait of the request, under a name of its own: a
// request may meet several flags. What was found last counts.
func (d *decoder) evaluated(s *spanData, f *flagData) {
	if !f.whole() {
		return
	}
	d.written = append(append(d.written[:0], flagPrefix...), f.key...)
	kind := d.in.keys.kind(d.in.a.keys, textOf(d.written))
	if kind.trait == 0 {
		return
	}
	s.traits = slices.DeleteFunc(s.traits, func(t trait) bool { return t.key == kind.trait })
	s.addTrait(kind.trait, f.result())
}

// flag is what the attributes of a span, or of a point, tell of a flag.
func (d *spanData) flag() flagData {
	return flagData{d.fields[flagKey], d.fields[flagVariant], d.fields[flagValue]}
}
