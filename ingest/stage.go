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
	scratch  []byte
	names    nameCache
}

// staged is a record on its way to its shard.
type staged struct {
	record
	next       int32 // of the same shard
	failure    int32 // 1 + index in stage.failures
	nameHash   uint64
	text       uint32 // where its name begins, in stage.texts
	nameSize   uint16
	traitsSize uint16 // behind the name
}

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
	s := staged{record: record{
		trace: d.trace, id: d.id, parent: d.parent, start: int64(d.start), end: int64(d.end),
		resource: r.number, kind: d.kind, result: d.ending(), sampling: d.weight(),
	}}
	in.stage.name(&s, d, r)
	if s.result == failed && !s.kind.isCall() || d.fields[exceptionType] != "" {
		x := d.exception()
		if x.typ != "" {
			in.places.locate(x)
		}
		in.stage.failures = append(in.stage.failures, failure{d.errorName(), d.errorText(), *x})
		s.failure = int32(len(in.stage.failures))
	}
	in.stage.add(&s)
}

// name writes what the span is counted under, and by what its requests may be sliced.
func (t *stage) name(s *staged, d *spanData, r *resource) {
	begin := len(t.texts)
	s.text = uint32(begin)
	top := s.isTop()
	switch {
	case top:
		t.texts, t.scratch, s.nameHash = t.names.masked(t.texts, t.scratch, d.operation())
		if len(t.texts) == begin {
			t.texts = append(t.texts, unnamed...)
			s.nameHash = hashOf(t.texts[begin:])
		}
	case s.kind.isCall():
		t.texts, t.scratch, s.nameHash = t.names.masked(t.texts, t.scratch, d.callee())
	}
	s.nameSize = uint16(len(t.texts) - begin)
	if top {
		t.texts = d.appendTraits(t.texts, r)
		s.traitsSize = uint16(len(t.texts) - begin - int(s.nameSize))
	}
}

func (t *stage) add(s *staged) {
	t.spans = append(t.spans, *s)
	k := int32(len(t.spans))
	shard := shardOf(s.trace)
	if last := t.tails[shard]; last != 0 {
		t.spans[last-1].next = k
	} else {
		t.heads[shard] = k
	}
	t.tails[shard] = k
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
	name := t.texts[x.text:][:x.nameSize]
	traits := t.texts[int(x.text)+int(x.nameSize):][:x.traitsSize]
	number, more := p.names.hashed(x.nameHash, name)
	rec.name = number
	added += more
	if len(traits) > 0 {
		added += in.keepTraits(p, rec, traits)
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
