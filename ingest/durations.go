package ingest

import "unship.dev"

// durations counts durations by the buckets of [unship.Histogram], with those between
// that are empty: to count one is to add one.
type durations struct {
	first  int16 // bucket of counts[0]
	counts []uint32
}

func (d *durations) add(bucket int16) {
	k := int(bucket) - int(d.first)
	if uint(k) >= uint(len(d.counts)) {
		d.reach(bucket)
		k = int(bucket) - int(d.first)
	}
	d.counts[k]++
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
	const most = 64
	if cap(d.counts) > most {
		d.counts = nil
	}
	clear(d.counts)
	d.counts = d.counts[:0]
}

// merge adds the counts of others.
func (d *durations) merge(o *durations) {
	for i, n := range o.counts {
		if n > 0 {
			bucket := o.first + int16(i)
			d.add(bucket)
			d.counts[bucket-d.first] += n - 1
		}
	}
}

// buckets is how many buckets of a histogram the counts take.
func (d *durations) buckets() (n int) {
	for _, c := range d.counts {
		if c > 0 {
			n++
		}
	}
	return n
}

// addTo adds the counts to a histogram.
func (d *durations) addTo(h unship.Histogram) unship.Histogram {
	if len(h) == 0 {
		for i, c := range d.counts {
			if c > 0 {
				h = append(h, unship.Bucket{Index: d.first + int16(i), Count: uint64(c)})
			}
		}
		return h
	}
	for i, c := range d.counts {
		h.Add(d.first+int16(i), uint64(c))
	}
	return h
}
