// Package series turns the points of a cumulative metric into increases.
//
// A cumulative point tells how much was counted since its start. What was counted
// in a span of time is the difference of two points, unless the counting began anew
// between them: the process restarted, or an SDK dropped the series and made it again.
package series

import "unship.dev"

// Point is one point of a cumulative metric. Times are in ns since the epoch.
type Point struct {
	Start int64 // since when it counts; 0: unknown
	At    int64 // up to when
	Value float64
	// Count is of distributions: observations, of which Value is the sum. Of
	// counters it is 0.
	Count        uint64
	Distribution bool
	Buckets      unship.Histogram // of distributions whose buckets are wanted
}

// Increase is what was counted between two points.
type Increase struct {
	Over  int64 // ns that it covers; more than 0
	Value float64
	Count uint64
	// Buckets are empty if the two points had buckets of different widths. They may lie
	// in those of the later point, or in the room that was given.
	Buckets unship.Histogram
}

// Series is what has to be known of the past. The zero Series has none.
type Series struct {
	last Point // its buckets are the series' own
	seen bool
}

// Next takes the next point in order of time and gives what it adds, if that is known.
// Nothing of the point is kept; room is for the buckets of the increase.
//
// Of the first point it is known only if all that it counts was counted since the
// time given: a series that began before may have been counted already, by
// whoever watched before. Points that are not later than the last add nothing.
func (s *Series) Next(p Point, since int64, room unship.Histogram) (Increase, bool) {
	if s.seen && p.At <= s.last.At {
		return Increase{}, false
	}
	x, ok := s.increase(&p, since, room)
	own := append(s.last.Buckets[:0], p.Buckets...)
	s.last, s.seen = p, true
	s.last.Buckets = own
	return x, ok
}

func (s *Series) increase(p *Point, since int64, room unship.Histogram) (Increase, bool) {
	last := &s.last
	switch {
	case !s.seen:
		return p.whole(p.Start), p.Start > 0 && p.Start >= since && p.Start < p.At
	case p.Start > last.Start && p.Start >= last.At: // counting began anew, and tells when
		return p.whole(p.Start), p.Start < p.At
	case p.fell(last): // it began anew some time between the two
		return p.whole(max(p.Start, last.At)), true
	}
	return p.less(last, room), true
}

func (p *Point) whole(since int64) Increase {
	return Increase{Over: p.At - since, Value: p.Value, Count: p.Count, Buckets: p.Buckets}
}

// fell says that less is counted than before. The sum of a distribution may fall
// without that: observations may be negative.
func (p *Point) fell(o *Point) bool {
	if p.Distribution {
		return p.Count < o.Count
	}
	return p.Value < o.Value
}

func (p *Point) less(o *Point, room unship.Histogram) Increase {
	return Increase{
		Over: p.At - o.At, Value: p.Value - o.Value, Count: p.Count - o.Count,
		Buckets: subtract(room[:0], p.Buckets, o.Buckets),
	}
}

// subtract gives nothing where a bucket has less than before: the widths of buckets
// changed, as they do when an exponential histogram makes room for a wider range.
func subtract(rest, a, b unship.Histogram) unship.Histogram {
	k := 0
	for _, x := range a {
		if k < len(b) && b[k].Index < x.Index {
			return nil
		}
		if k < len(b) && b[k].Index == x.Index {
			if x.Count < b[k].Count {
				return nil
			}
			x.Count -= b[k].Count
			k++
		}
		if x.Count > 0 {
			rest = append(rest, x)
		}
	}
	if k < len(b) {
		return nil
	}
	return rest
}
