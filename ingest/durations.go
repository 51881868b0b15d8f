package ingest

import (
	"slices"

	"unship.dev"
)

// durations counts durations by the buckets of [unship.Histogram]. The first ones are
// listed, for most series have few in a window; more are counted by bucket, with those
// between that are empty: to count one is to add one.
type durations struct {
	listed int8
	list   [fewDurations]int16
	first  int16 // bucket of counts[0]
	counts []uint32
}

const fewDurations = 6

func (d *durations) add(bucket int16) {
	if len(d.counts) == 0 {
		if d.listed < fewDurations {
			d.list[d.listed] = bucket
			d.listed++
			return
		}
		d.count(bucket, bucket)
	}
	d.addMany(bucket, 1)
}

// count turns from a list to counts, with room from one bucket to another. What is listed
// tells where the others will be.
func (d *durations) count(low, high int16) {
	list := d.list[:d.listed]
	d.listed = 0
	for _, bucket := range list {
		low, high = min(low, bucket), max(high, bucket)
	}
	margin := max(fewDurations, (high-low)/2)
	d.widen(low-margin, high+margin+1)
	for _, bucket := range list {
		d.counts[bucket-d.first]++
	}
}

// addMany adds to the counts, of which there are some.
func (d *durations) addMany(bucket int16, n uint32) {
	k := int(bucket) - int(d.first)
	if uint(k) >= uint(len(d.counts)) {
		d.reach(bucket)
		k = int(bucket) - int(d.first)
	}
	d.counts[k] += n
}

// reach widens the range to a bucket, and some way beyond.
func (d *durations) reach(bucket int16) {
	first, end := d.first, d.first+int16(len(d.counts))
	more := int16(len(d.counts) / 2)
	if bucket < first {
		first = min(bucket, first-more)
	} else {
		end = max(bucket+1, end+more)
	}
	d.widen(first, end)
}

// widen makes the counts those of the buckets from first on, up to end, or of more if
// there is room.
func (d *durations) widen(first, end int16) {
	n := int(end - first)
	if len(d.counts) == 0 && cap(d.counts) >= n {
		d.counts = d.counts[:cap(d.counts)] // all zeros
		d.first = first - int16(len(d.counts)-n)/2
		return
	}
	counts := make([]uint32, n)
	if len(d.counts) > 0 {
		copy(counts[d.first-first:], d.counts)
	}
	d.first, d.counts = first, counts
}

// clear empties the range, and keeps its room unless that is more than most need.
func (d *durations) clear() {
	const most = 192
	if cap(d.counts) > most {
		d.counts = nil
	}
	clear(d.counts)
	d.listed, d.counts = 0, d.counts[:0]
}

// merge adds what others counted.
func (d *durations) merge(o *durations) {
	for _, bucket := range o.list[:o.listed] {
		d.add(bucket)
	}
	if len(o.counts) > 0 && len(d.counts) == 0 {
		d.count(o.first, o.first+int16(len(o.counts))-1)
	}
	for i, n := range o.counts {
		if n > 0 {
			d.addMany(o.first+int16(i), n)
		}
	}
}

// buckets is how many buckets of a histogram the counts take at most.
func (d *durations) buckets() int {
	n := int(d.listed)
	for _, c := range d.counts {
		if c > 0 {
			n++
		}
	}
	return n
}

// addTo adds the counts to a histogram.
func (d *durations) addTo(h unship.Histogram) unship.Histogram {
	list := d.list[:d.listed]
	slices.Sort(list)
	if len(h) > 0 {
		for _, bucket := range list {
			h.Add(bucket, 1)
		}
		for i, c := range d.counts {
			h.Add(d.first+int16(i), uint64(c))
		}
		return h
	}
	for _, bucket := range list {
		if n := len(h); n > 0 && h[n-1].Index == bucket {
			h[n-1].Count++
		} else {
			h = append(h, unship.Bucket{Index: bucket, Count: 1})
		}
	}
	for i, c := range d.counts {
		if c > 0 {
			h = append(h, unship.Bucket{Index: d.first + int16(i), Count: uint64(c)})
		}
	}
	return h
}
