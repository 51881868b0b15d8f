package ingest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"unship.dev"
)

// Refusal says how many records of a request were refused for good, and why.
// It becomes an OTLP partial success. Late records are not refused: sending
// them again would not help, and the sender did nothing wrong.
type Refusal struct {
	Count  int
	Reason string
}

// Stats are counters since the start.
type Stats struct {
	Spans, Points, Records uint64            // accepted
	Late                   uint64            // accepted, and in no window: it had closed
	Resumed                uint64            // accepted, and counted already before a restart
	Duplicate              uint64            // spans received twice
	Future                 uint64            // refused: beyond the ceiling
	Invalid                map[string]uint64 // refused, by reason
	Overflow               uint64            // operations counted under unship.OverflowOperation, each window anew
	Dropped                uint64            // details dropped, counts kept
	Overloaded             uint64            // requests refused as a whole, to be sent again
	PendingBytes           int64             // estimated memory of open windows, now
	Resources              int               // instances known, now
}

func (s *Stats) add(o Stats) {
	s.Spans += o.Spans
	s.Points += o.Points
	s.Records += o.Records
	s.Late += o.Late
	s.Resumed += o.Resumed
	s.Duplicate += o.Duplicate
	s.Future += o.Future
	s.Overflow += o.Overflow
	s.Dropped += o.Dropped
	s.Overloaded += o.Overloaded
	for why, n := range o.Invalid {
		if s.Invalid == nil {
			s.Invalid = map[string]uint64{}
		}
		s.Invalid[why] += n
	}
}

// intake takes in one request. It belongs to one goroutine, and is used again.
type intake struct {
	a       *Aggregator
	ceiling int64
	thin    bool // memory runs short: keep counts, not details
	tally   Stats
	lost    uint64 // invalid records that belong to no open window
	maxTime int64
	last    int64 // latest window of the resource at work
	bytes   int64
	scratch []byte
	pairs   []attribute // of the data point at work
	labels  labels
	// durations of the requests that the data point at work counts
	durations unship.Histogram
	data      spanData
	pointData pointData
	keys      keyCache // of spans
	logKeys   keyCache
	said      []fieldText // by the log record at work
	entry     access      // the same
	places    placeCache
	numbers   []byte // of the decoder, as are the next two
	written   []byte
	told      []flagData
	runs      [kindCount]attributeRun // by kind of the span that was read last
	stage     stage
	points    pointStage
	lines     lineStage
	reducer   reducer
}

// begin starts a request of about n records, or says that there is no room.
func (a *Aggregator) begin(n int) (*intake, error) {
	if !a.room(n) {
		return nil, a.overloaded()
	}
	in, ok := a.intakes.Get().(*intake)
	if !ok {
		in = &intake{a: a, last: firstIndex}
	}
	in.stage.serial++
	in.ceiling = a.opt.Ceiling().UnixNano()
	in.thin = a.pending.Load() > a.opt.MaxPendingBytes/4*3
	return in, nil
}

// room says whether n more records fit into the memory allowed. One request always does.
func (a *Aggregator) room(n int) bool {
	pending, limit := a.pending.Load(), a.opt.MaxPendingBytes
	return pending < limit && (pending <= 0 || pending+int64(n)*recordBytes <= limit)
}

func (a *Aggregator) overloaded() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stats.Overloaded++
	return ErrOverloaded
}

// done gives the intake back for the next request.
func (in *intake) done() {
	in.stage.reset()
	in.points.reset()
	in.lines.reset()
	in.reducer.reset()
	in.tally, in.lost, in.maxTime, in.last, in.bytes = Stats{}, 0, 0, firstIndex, 0
	in.data.clear()
	in.pointData.clear()
	in.pointData.name, in.pointData.unit = "", ""
	clear(in.data.traits[:cap(in.data.traits)]) // they, and the pairs, hold on to the request
	clear(in.pairs[:cap(in.pairs)])
	clear(in.told[:cap(in.told)])
	clear(in.said[:cap(in.said)])
	for i := range in.runs {
		in.runs[i].forget()
	}
	in.labels, in.entry = labels{}, access{}
	in.a.intakes.Put(in)
}

// end closes the request.
func (in *intake) end() Refusal {
	r := in.account()
	in.done()
	return r
}

// account counts the request. Only now does the watermark move, so that a request
// never makes its own records late.
func (in *intake) account() Refusal {
	a := in.a
	a.pending.Add(in.bytes)
	a.mu.Lock()
	a.stats.add(in.tally)
	a.lost.Late += in.tally.Late
	a.lost.Future += in.tally.Future
	a.lost.Invalid += in.lost
	a.maxTime = max(a.maxTime, in.maxTime)
	a.follow()
	a.mu.Unlock()
	return in.refusal()
}

func (in *intake) refusal() Refusal {
	if in.tally.Future == 0 && len(in.tally.Invalid) == 0 {
		return Refusal{}
	}
	reasons := map[string]uint64{}
	maps.Copy(reasons, in.tally.Invalid)
	if in.tally.Future > 0 {
		reasons[whyFuture] = in.tally.Future
	}
	var r Refusal
	var words []string
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		r.Count += int(reasons[why])
		words = append(words, fmt.Sprintf("%d: %s", reasons[why], why))
	}
	r.Reason = strings.Join(words, "; ")
	return r
}

// resource resolves the resource that in.letGo ends; nil if it has no service.
func (in *intake) resource(d *resourceData) *resource {
	r, err := in.a.resources.use(d)
	if err != nil {
		return nil
	}
	in.last = firstIndex
	return r
}

// believed says that a time is not beyond the ceiling; otherwise it is refused.
func (in *intake) believed(t uint64) bool {
	if t > math.MaxInt64 || int64(t) > in.ceiling {
		in.tally.Future++
		return false
	}
	in.maxTime = max(in.maxTime, int64(t))
	return true
}

// count says whether a record of that fate is accepted as new.
func (in *intake) count(f fate, index int64) bool {
	switch f {
	case fateLate:
		in.tally.Late++
		return false
	case fateContext, fateResumed:
		in.tally.Resumed++
		in.last = max(in.last, index)
		return false
	}
	in.last = max(in.last, index)
	return true
}

// refuse counts an invalid record, in the window of its time if that is open.
func (in *intake) refuse(why string, t uint64) {
	if in.tally.Invalid == nil {
		in.tally.Invalid = map[string]uint64{}
	}
	in.tally.Invalid[why]++
	if invalidTime(t) == "" && t <= math.MaxInt64 && int64(t) <= in.ceiling {
		s := &in.a.shards[0]
		s.mu.Lock()
		defer s.mu.Unlock()
		if p, f := s.at(in.a, in.a.index(int64(t))); f == fateKept {
			p.losses.Invalid++
			return
		}
	}
	in.lost++
}

// index gives the window that a time belongs to.
func (a *Aggregator) index(t int64) int64 {
	w := int64(a.opt.Window)
	if t < 0 {
		return (t - w + 1) / w
	}
	return t / w
}

// follow moves the watermark to the lateness behind the latest time, and never beyond
// what the clock allows. Aggregator.mu must be held.
func (a *Aggregator) follow() {
	if a.maxTime == 0 || a.held {
		return
	}
	latest := a.maxTime
	if a.opt.Clock != nil {
		latest = min(latest, a.opt.Clock().UnixNano())
	}
	a.raise(latest - int64(a.opt.Lateness))
}

func (a *Aggregator) raise(watermark int64) {
	a.watermark = max(a.watermark, watermark)
	if index := a.index(watermark); index > a.open.Load() {
		a.open.Store(index)
		select {
		case a.ready <- struct{}{}:
		default:
		}
	}
}

// Ready tells when there may be something to [Aggregator.Take]. Who takes it at once
// keeps less in memory when much comes in at once.
func (a *Aggregator) Ready() <-chan struct{} { return a.ready }

// Hold keeps the watermark where it is, whatever comes, or lets it follow again.
// A live caller holds it after a restart, while senders hand in what they kept.
func (a *Aggregator) Hold(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = on
	a.follow()
}

// Advance moves the watermark forward to a time without data: everything that
// ends by then is closed. A live caller does so while nothing arrives.
func (a *Aggregator) Advance(to time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.raise(to.UnixNano())
}

// Watermark is the event time before which everything is closed; zero at first.
func (a *Aggregator) Watermark() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return timeOf(a.watermark)
}

// MaxTime is the latest event time taken; zero at first.
func (a *Aggregator) MaxTime() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return timeOf(a.maxTime)
}

// Latest is the latest time of anything taken, announcements included. These do
// not move the watermark: what a pipeline's clock says makes no telemetry late.
func (a *Aggregator) Latest() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return timeOf(max(a.maxTime, a.told))
}

func timeOf(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// Resume continues after a restart. What ended before the watermark was counted
// by then: it gives no ticks, is counted as Stats.Resumed, and serves only to
// join what comes after with it. Call it before any data.
func (a *Aggregator) Resume(watermark time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watermark = max(a.watermark, watermark.UnixNano())
	a.resumed.Store(a.index(watermark.UnixNano()))
}

// Announce takes what somebody told about a release. It goes into the tick of
// its time or, if that is closed, into the next.
func (a *Aggregator) Announce(n unship.Announcement) error {
	switch {
	case n.Name == "":
		return fmt.Errorf("announcement %q: it names no service; give the service's name", n.ID)
	case n.At.IsZero() || n.At.UnixNano() < year2000:
		return fmt.Errorf("announcement %q: its time is %v; give the time at which it happened", n.ID, n.At)
	case n.At.After(a.opt.Ceiling()):
		return fmt.Errorf("announcement %q: its time %v is ahead of every clock; give the time at which it happened", n.ID, n.At)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told = max(a.told, n.At.UnixNano())
	index := max(a.index(n.At.UnixNano()), a.open.Load(), a.resumed.Load())
	a.announced[index] = append(a.announced[index], n)
	return nil
}

// Stats gives the counters.
func (a *Aggregator) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	var s Stats
	s.add(a.stats)
	s.PendingBytes = a.pending.Load()
	s.Resources = a.resources.count()
	return s
}
