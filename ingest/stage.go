package ingest

import "strings"

// stage holds the spans of one request until all of it was read: a request that turns
// out to be malformed leaves nothing behind, and each shard is locked once.
type stage struct {
	spans    []staged
	heads    [shardCount]int32 // 1 + index of the first and the last span of each shard
	tails    [shardCount]int32
	texts    []byte // names and traits
	failures []failure
	refused  []refused
	using    []*resource // until their spans are committed
	names    nameCache
	serial   uint64 // of the request at work
}

// staged is a record on its way to its shard.
type staged struct {
	record
	next     int32 // of the same shard
	failure  int32 // 1 + index in stage.failures
	nameAt   passage
	nameHash uint64
	traitsAt passage
}

// passage is a part of stage.texts. Spans of one name share it.
type passage struct {
	at   uint32
	size uint16
}

func (t *stage) text(p passage) []byte { return t.texts[p.at:][:p.size] }

// from is the passage from a place to the end of all texts.
func (t *stage) from(begin int) passage { return passage{uint32(begin), uint16(len(t.texts) - begin)} }

// failure is what a span tells of its failure and of what was thrown. The texts may
// lie in the decoder's buffer.
type failure struct {
	err, text string
	exception exceptionData
}

type refused struct {
	why string
	end uint64
}

func (t *stage) use(r *resource) *resource {
	if r != nil {
		t.using = append(t.using, r)
	}
	return r
}

// span takes one span of a resource; r is nil if that has no service. Every decoder
// ends here.
func (in *intake) span(r *resource, d *spanData) {
	why := d.invalid()
	if r == nil {
		why = whyNoService
	}
	if why != "" {
		in.stage.refused = append(in.stage.refused, refused{why, d.end})
		return
	}
	if !in.believed(d.end) {
		return
	}
	s := in.stage.add(d.trace)
	s.id, s.parent, s.start, s.end = d.id, d.parent, int64(d.start), int64(d.end)
	s.resource, s.kind, s.result, s.sampling = r.number, d.kind, d.ending(), d.weight()
	in.stage.word(s, d, r)
	if s.result == failed && !s.kind.isCall() || d.fields[exceptionType] != "" {
		x := d.exception()
		if x.typ != "" {
			in.places.locate(x)
		}
		in.stage.failures = append(in.stage.failures, failure{d.errorName(), d.errorText(), *x})
		s.failure = int32(len(in.stage.failures))
	}
}

// word writes what the span is counted under, and by what its requests may be sliced.
func (t *stage) word(s *staged, d *spanData, r *resource) {
	switch {
	case s.isTop():
		s.nameAt, s.nameHash = t.masked(d.operation())
		if s.nameAt.size == 0 {
			s.nameAt, s.nameHash = t.masked(naming{b: unnamed})
		}
		begin := len(t.texts)
		t.texts = d.appendTraits(t.texts, r)
		s.traitsAt = t.from(begin)
	case s.kind.isCall():
		s.nameAt, s.nameHash = t.masked(d.callee())
	}
}

// masked gives where a name stands in texts, masked, and its hash by nameSeed.
func (t *stage) masked(n naming) (passage, uint64) {
	begin := len(t.texts)
	e := t.names.of(n)
	if e == nil {
		t.texts = n.appendMasked(t.texts)
		return t.from(begin), hashOf(t.texts[begin:])
	}
	if e.serial != t.serial {
		t.texts = append(t.texts, e.name[:e.size]...)
		e.serial, e.passage = t.serial, t.from(begin)
	}
	return e.passage, e.hash
}

// add gives the room for one more span of a trace.
func (t *stage) add(trace [2]uint64) *staged {
	t.spans = extended(t.spans)
	k := int32(len(t.spans))
	shard := shardOf(trace)
	if last := t.tails[shard]; last != 0 {
		t.spans[last-1].next = k
	} else {
		t.heads[shard] = k
	}
	t.tails[shard] = k
	s := &t.spans[k-1]
	*s = staged{}
	s.trace = trace
	return s
}

// reset empties the stage, and keeps its room unless that is more than most requests need.
func (t *stage) reset() {
	const most = 1 << 14
	if cap(t.spans) > most || cap(t.texts) > 64*most {
		t.spans, t.texts = nil, nil
	}
	clear(t.failures) // they hold on to the request
	clear(t.refused)
	clear(t.using)
	t.spans, t.texts, t.failures = t.spans[:0], t.texts[:0], t.failures[:0]
	t.refused, t.using = t.refused[:0], t.using[:0]
	t.heads, t.tails = [shardCount]int32{}, [shardCount]int32{}
}

// commit hands what is staged to the shards, and lets go of the resources.
func (in *intake) commit() {
	for _, x := range in.stage.refused {
		in.refuse(x.why, x.end)
	}
	for i := range in.a.shards {
		if k := in.stage.heads[i]; k != 0 {
			in.commitTo(&in.a.shards[i], k)
		}
	}
	in.commitPoints()
	in.commitLines()
	in.letGo()
}

// letGo ends the use of the resources. Each counts as heard in the latest window of any.
func (in *intake) letGo() {
	in.a.resources.done(in.stage.using, in.last)
	in.stage.using = in.stage.using[:0]
}

func (in *intake) commitTo(s *shard, k int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var p *pane
	var f fate
	index := int64(firstIndex)
	for k != 0 {
		x := &in.stage.spans[k-1]
		k = x.next
		if i := in.a.index(x.end); i != index || p == nil {
			index = i
			p, f = s.at(in.a, index)
		}
		counted := in.count(f, index)
		if counted {
			in.tally.Spans++
		}
		if p != nil {
			added := in.keep(p, x, counted)
			p.bytes += added
			in.bytes += added
		}
	}
}

// keep puts a span into its pane, and says what memory that takes. What is only context
// for others was thrown, and counted, before.
func (in *intake) keep(p *pane, x *staged, counted bool) (added int64) {
	rec, t := &x.record, &in.stage
	added = recordBytes
	number, more := p.names.hashed(x.nameHash, t.text(x.nameAt))
	rec.name = number
	added += more
	if x.traitsAt.size > 0 {
		added += in.keepTraits(p, rec, t.text(x.traitsAt))
	}
	if x.failure != 0 {
		f := &t.failures[x.failure-1]
		if counted && f.exception.typ != "" {
			added += in.addException(p, thrown{trace: rec.trace, resource: rec.resource, handled: rec.result.well()}, &f.exception)
		}
		if rec.result == failed && !rec.kind.isCall() {
			added += in.keepDetail(p, rec, f)
		}
	}
	p.spans.add(rec)
	return added
}

// keepTraits keeps what a request says of itself. It goes when memory runs short.
func (in *intake) keepTraits(p *pane, rec *record, text []byte) (added int64) {
	if in.thin {
		in.drop(p)
		return 0
	}
	rec.about, added = p.traits.number(text)
	return added
}

// keepDetail keeps why a span failed. It is the first to go when memory runs short.
func (in *intake) keepDetail(p *pane, rec *record, f *failure) int64 {
	if in.thin {
		in.drop(p)
		return 0
	}
	e := detail{err: strings.Clone(cut(f.err, maxError)), exception: strings.Clone(cut(f.text, maxException))}
	p.details = append(p.details, e)
	rec.detail = uint32(len(p.details))
	return int64(len(e.err)+len(e.exception)) + 48
}

func (in *intake) drop(p *pane) {
	p.losses.Dropped++
	in.tally.Dropped++
}
