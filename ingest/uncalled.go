package ingest

import (
	"maps"
	"strings"

	"unship.dev"
)

// What other services call is asked for by nobody else, mostly. Root spans of such an operation
// are then another kind of request: probes, load tests, somebody who tries a new version before
// users come to it. They go where somebody sends them, often to one version alone, and compare
// with each other only. So they are an operation of their own, while nearly all other requests
// of the operation have a caller. Which operations these are is decided when a window closes,
// and holds from the next window on, as for slices. An operation that both services and the
// world outside ask for stays one.
const (
	uncalledKind = "no caller"
	calledLeast  = 20 // calls that must be known for each root before roots are set apart
)

// uncalledName is the operation of the requests that nobody calls.
func uncalledName(name string) string { return string(appendKind([]byte(name), 0, uncalledKind)) }

// callings count the requests of operations with a caller and those that nobody calls.
type callings map[string]*asked

type asked struct {
	called, uncalled uint64
	apart            bool
}

func (a *callings) of(name string) *asked {
	if *a == nil {
		*a = callings{}
	}
	x := (*a)[name]
	if x == nil {
		x = &asked{}
		(*a)[name] = x
	}
	return x
}

// add counts what an instance was asked.
func (a *callings) add(op *unship.Operation, uncalled bool) {
	if uncalled {
		a.of(op.Name).uncalled += op.Requests
	} else if n := called(op); n > 0 {
		a.of(op.Name).called += n
	}
}

func called(op *unship.Operation) (n uint64) {
	for _, c := range op.Callers {
		n += c.Requests
	}
	return n
}

// age forgets what is no longer the recent past.
func (a callings) age(shift int64) {
	for _, x := range a {
		x.called, x.uncalled = x.called>>shift, x.uncalled>>shift
	}
	maps.DeleteFunc(a, func(_ string, x *asked) bool { return x.called+x.uncalled == 0 })
}

// apart says that what nobody calls is told apart from the other requests of an operation.
func (s *service) apart(operation string) bool {
	x := s.asks[operation]
	return x != nil && x.apart
}

// learnAsks takes in a window's lesson. Only operations that have a place are remembered.
func (s *service) learnAsks(l callings) {
	for name, o := range l {
		if _, placed := s.operations[name]; !placed && s.asks[name] == nil {
			continue
		}
		x := s.asks.of(name)
		x.called, x.uncalled = x.called+o.called, x.uncalled+o.uncalled
		x.decide()
	}
}

// decide sets roots apart where hardly any request is one, until most are.
func (x *asked) decide() {
	x.apart = x.called >= calledLeast*max(1, x.uncalled) || x.apart && x.called > x.uncalled
}

// rememberAsks teaches from what an earlier tick told of an operation.
func (s *service) rememberAsks(op *unship.Operation) {
	if name, ok := strings.CutSuffix(op.Name, " ("+uncalledKind+")"); ok {
		x := s.asks.of(name)
		x.uncalled, x.apart = x.uncalled+op.Requests, true
		return
	}
	n := called(op)
	if n == 0 && s.asks[op.Name] == nil {
		return
	}
	x := s.asks.of(op.Name)
	x.called += n
	if !x.apart {
		x.uncalled += op.Requests - min(n, op.Requests)
	}
	x.decide()
}
