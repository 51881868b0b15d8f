package ingest

// absorb adds what another joiner counted, which is empty thereafter. The traces of the
// two are not the same ones: each shard belongs to one joiner.
func (s *sums) absorb(o *sums) {
	t := translation{
		names: zeroed(nil, len(o.names.list)+1), traits: zeroed(nil, len(o.traits.list)+1), from: o, to: s,
	}
	for i := range o.size {
		x := o.at(i)
		t.translate(x)
		size := s.size
		if y := s.of(x.sumKey); s.size > size {
			*x, *y = *y, *x // as it is, for room
		} else {
			y.add(x)
		}
	}
	o.reset()
}

// translation turns the numbers of texts in some sums into those in others.
type translation struct {
	names, traits []uint32 // 1 + the number there, by the number here; 0: not asked yet
	from, to      *sums
}

func (t *translation) name(number uint32) uint32 {
	if t.names[number] == 0 {
		t.names[number] = t.to.names.numberOf(t.from.names.list0(number)) + 1
	}
	return t.names[number] - 1
}

func (t *translation) combination(number uint32) uint32 {
	if t.traits[number] == 0 {
		t.traits[number] = t.to.traits.numberOf(t.from.traits.list0(number)) + 1
	}
	return t.traits[number] - 1
}

func (t *translation) translate(x *sum) {
	x.name = t.name(x.name)
	for i := range x.calls {
		x.calls[i].name = t.name(x.calls[i].name)
	}
	for i := range x.cells {
		x.cells[i].traits = t.combination(x.cells[i].traits)
	}
	if x.cellOf != nil {
		x.indexCells()
	}
}

// add adds what another sum of the same key counted.
func (s *sum) add(o *sum) {
	s.weight += o.weight
	s.failed += o.failed
	s.failedHere += o.failedHere
	s.partial += o.partial
	s.duration.merge(&o.duration)
	for _, e := range o.examples[:o.exampleCount] {
		if s.wants(&e) {
			s.keep(e)
		}
	}
	for i := range o.calls {
		s.callsOf(o.calls[i].name).add(&o.calls[i])
	}
	for i := range o.cells {
		s.cell(o.cells[i].cellKey).add(&o.cells[i])
	}
}

func (c *callSum) add(o *callSum) {
	c.counts.Requests += o.counts.Requests
	c.counts.Twice += o.counts.Twice
	c.counts.FourPlus += o.counts.FourPlus
	c.counts.Total += o.counts.Total
	c.counts.Failed += o.counts.Failed
	c.counts.Unanswered += o.counts.Unanswered
	c.counts.Unseen += o.counts.Unseen
	for _, a := range o.answered {
		x := c.answeredBy(a.resource)
		x.requests += a.requests
		x.failed += a.failed
		x.garbled += a.garbled
	}
	for _, r := range o.received {
		c.receivedBy(r.resource).calls += r.calls
	}
}

func (c *cell) add(o *cell) {
	c.requests += o.requests
	c.here += o.here
	c.rejected += o.rejected
	c.refused += o.refused
	c.self.merge(&o.self)
}
