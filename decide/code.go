package decide

import (
	"cmp"
	"slices"
	"strings"

	"unship.dev"
)

const (
	maxLogs       = 5
	maxExceptions = 5
	maxThrown     = 50 // exceptions counted for one incident
	errorLevel    = 17 // OTel severity number from which a log record is an error
)

// thrown counts an exception of a guilty release, and how often the version before it threw the same.
type thrown struct {
	unship.Exception
	Before uint64 `json:"before,omitempty"`
}

// takeTraces keeps, as long as the harm lasts, what leads people to the code:
// the guilty release's commonest error lines and exceptions.
func (s *step) takeTraces(t unship.Tick) {
	for _, in := range s.state.Incidents {
		if in.Status != unship.StatusOpen && in.Status != unship.StatusMitigating {
			continue
		}
		logs := unship.Window{Logs: slices.Clone(in.Logs)}
		for _, w := range t.Windows {
			switch {
			case w.Release == in.Release:
				logs.Merge(unship.Window{Logs: errorsOnly(w.Logs)})
				in.throw(w.Exceptions, false)
			case w.Release.Service == in.Release.Service && w.Release.Version == in.Target:
				in.throw(w.Exceptions, true)
			}
		}
		if kept := commonest(logs.Logs); !slices.Equal(kept, in.Logs) {
			in.Logs = kept
			s.changed[in] = true
		}
		if code := s.code(in); !sameCode(code, in.Code) {
			in.Code = code
			s.changed[in] = true
		}
	}
}

// throw counts exceptions of the guilty release, or of the version before it.
func (in *incident) throw(list []unship.Exception, before bool) {
	for _, x := range list {
		k, found := slices.BinarySearchFunc(in.Thrown, x, func(a thrown, b unship.Exception) int {
			return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Place, b.Place))
		})
		switch {
		case found:
		case len(in.Thrown) == maxThrown:
			continue
		default:
			in.Thrown = slices.Insert(in.Thrown, k, thrown{Exception: unship.Exception{Type: x.Type, Place: x.Place}})
		}
		o := &in.Thrown[k]
		if before {
			o.Before += x.Count
			continue
		}
		w := unship.Window{Exceptions: []unship.Exception{o.Exception}}
		w.Merge(unship.Window{Exceptions: []unship.Exception{x}})
		o.Exception = w.Exceptions[0]
	}
}

// code is where to look first: exceptions that the version before did not throw
// come first, then those thrown most.
func (s *step) code(in *incident) unship.Code {
	var c unship.Code
	list := slices.DeleteFunc(slices.Clone(in.Thrown), func(x thrown) bool { return x.Count == 0 })
	slices.SortStableFunc(list, func(a, b thrown) int {
		return cmp.Or(cmp.Compare(min(a.Before, 1), min(b.Before, 1)), -cmp.Compare(a.Count, b.Count))
	})
	for _, x := range list[:min(len(list), maxExceptions)] {
		c.Exceptions = append(c.Exceptions, x.Exception)
		if x.Before == 0 {
			c.New++
		}
	}
	if r := s.releases[in.Release]; r != nil {
		c.Revision, c.URL = r.Revision, r.URL
	}
	if r := s.releases[unship.ReleaseID{Service: in.Release.Service, Version: in.Target}]; r != nil {
		c.Previous = r.Revision
	}
	return c
}

func sameCode(a, b unship.Code) bool {
	return slices.Equal(a.Exceptions, b.Exceptions) && a.New == b.New &&
		a.Revision == b.Revision && a.Previous == b.Previous && a.URL == b.URL
}

func errorsOnly(logs []unship.LogCount) []unship.LogCount {
	return slices.DeleteFunc(slices.Clone(logs), func(l unship.LogCount) bool {
		return l.Severity < errorLevel || l.Example == ""
	})
}

// commonest keeps the most frequent lines, sorted as windows keep them.
func commonest(logs []unship.LogCount) []unship.LogCount {
	if len(logs) <= maxLogs {
		return logs
	}
	slices.SortStableFunc(logs, func(a, b unship.LogCount) int { return -cmp.Compare(a.Count, b.Count) })
	logs = logs[:maxLogs]
	slices.SortFunc(logs, func(a, b unship.LogCount) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), strings.Compare(a.Pattern, b.Pattern))
	})
	return logs
}
