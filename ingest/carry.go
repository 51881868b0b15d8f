package ingest

import (
	"cmp"
	"slices"
)

// keepForLater carries a span whose request may still end.
func (j *joiner) keepForLater(p position) {
	r, up := j.at(p), j.above[p]
	if !up.open {
		return
	}
	wait := int64(joinWindows)
	if r.kind == kindServer && up.first {
		wait = callerWindows
	}
	if j.window-r.end/j.length < wait {
		j.carry = append(j.carry, j.group[p])
	}
}

// carryOver replaces what waited. Beyond the bound the earliest go.
func (j *joiner) carryOver(s *shard) {
	if len(j.carry) > maxCarried {
		slices.SortStableFunc(j.carry, func(a, b uint32) int {
			return cmp.Compare(j.p.spans[b].end, j.p.spans[a].end)
		})
		j.carry = j.carry[:maxCarried]
	}
	var next pane
	for _, i := range j.carry {
		r := j.p.spans[i]
		r.name = next.names.numberOf(j.name(&r))
		if !r.kind.isCall() {
			r.about = 0 // it was counted, with its traits
		}
		if d := j.detail(&r); r.detail != 0 {
			next.details = append(next.details, d)
			r.detail = uint32(len(next.details))
		}
		next.spans = append(next.spans, r)
	}
	s.carried = next
}

// remember adds this window's calls to the recent ones. Beyond the bound whole
// windows go, the oldest first.
func (j *joiner) remember(s *shard) {
	j.now.window = j.window
	all := append(j.recent, j.now)
	total := 0
	for _, c := range all {
		total += len(c.list)
	}
	for len(all) > 0 && (total > maxRecent || all[0].window <= j.window-joinWindows || len(all[0].list) == 0) {
		total -= len(all[0].list)
		all = all[1:]
	}
	s.recent = slices.Clone(all)
}
