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
		d.count()
	}
	d.addMany(bucket, 1)
}

// count turns from a list to counts.
func (d *durations) count() {
	n := d.listed
	d.listed = 0
	for _, bucket := range d.list[:n] {
		d.addMany(bucket, 1)
	}
}

// addMany adds to the counts.
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
	const least = 8
	if len(d.counts) == 0 {
		if cap(d.counts) < least {
			d.counts = make([]uint32, 0, least)
		}
		d.counts = d.counts[:cap(d.counts)] // all zeros
		d.first = bucket - int16(len(d.counts)/2)
		return
	}
	more := int16(max(least, len(d.counts)/2))
	first, end := d.first, d.first+int16(len(d.counts))
	if bucket < first {
		first = min(bucket, first-more)
	} else {
		end = max(bucket+1, end+more)
	}
	counts := make([]uint32, end-first)
	copy(counts[d.first-first:], d.counts)
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
		d.count()
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
