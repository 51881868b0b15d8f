package detect

import (
	"fmt"
	"math"
	"slices"

	"unship.dev"
	"unship.dev/detect/stat"
)

// loss is the evidence that calls meant for the release go unanswered.
//
// Nobody knows which version a lost call was meant for. But calls are spread
// over the versions by shares that the windows before tell, so what the
// candidate lacks of its share was meant for it. The null hypothesis is a
// union: that no more calls are lost than before, or that the candidate loses
// no larger part of its calls than the baseline. The smaller of two e-values,
// one against each, is an e-value against the union. Traffic taken away from
// the release loses no calls; a network or a tracer that loses the calls of
// both versions leaves the shares alone.
//
// Some of the lost calls are known to have been meant for the candidate: it left spans of what
// it did with them. All others count as the baseline's where the shares do not tell: new
// versions may leave more spans.
type loss struct {
	rise      *stat.Shift
	served    [shareWindows]struct{ c, all float64 } // of the last calm windows
	calm      int                                    // how many there were
	instances int                                    // the most that the candidate had
	usual     float64                                // share of the calls that were lost before
	before    float64                                // the calls of which that is
	lost, all float64                                // calls since
	kept      []lossCell
	own       float64 // of the lost calls, how many are taken for the candidate's …
	received  float64 // … and how many it is known to have got

	uneasy            int // windows that were not calm
	most              mostShare
	known, knownGot   float64 // calls while surely none were being lost: all, those that the candidate answered
	calls, got, lacks float64 // the others: all, those that the candidate answered, the lost ones
	run, runGot       float64 // of them since one was lost: all, those that the candidate answered
}

// Whether the lost calls are the candidate's alone is told by what it lacks of its share: all of
// them or, if both versions lost as large a part of their calls, its share of them. That
// is told where each of these lies so many deviations from the middle between them: then
// by so many deviations on this side of the middle.
const (
	toldApart = 2
	toldSide  = 1
)

// tells gives how far the two lie from the middle between them, now and at last, and how far beyond
// it what the candidate lacks lies, in deviations. Calls and share are binomial, so that more calls
// tell no more once the share is what is least known.
//
// Where some of its calls are lost all the time, what the candidate has of the others is as
// much too small as it would be if all of them were its own: they tell no share. It
// is known from calls of which none were lost, and no smaller than what it surely had
// of the answers at some time: shares grow, and instances that are started
// again have none for a while.
func (l *loss) tells() (apart, atLast, beyond float64) {
	if l.known == 0 || l.calls == 0 {
		return 0, 0, 0
	}
	share := math.Max((l.knownGot+.5)/(l.known+1), l.most.share)
	half, variance := (1-share)/2*l.lacks, share*(1-share)
	sd := math.Sqrt(variance * l.calls * (1 + l.calls/l.known))
	return half / sd, half / l.calls * math.Sqrt(l.known/variance), (share*l.calls - l.got - (1+share)/2*l.lacks) / sd
}

// spares says that nobody is to be asked about the lost calls: they are not the candidate's
// alone, or it is too early to say and will be told. Where it never will, people are asked.
func (l *loss) spares() bool {
	apart, atLast, beyond := l.tells()
	return atLast >= toldApart*math.Sqrt2 && (apart < toldApart || beyond < toldSide)
}

// accuses says that the lost calls are the candidate's alone, by its share, or that it is known
// to have got nearly all of those that count as its own.
func (l *loss) accuses() bool {
	apart, _, beyond := l.tells()
	return apart >= toldApart && beyond >= toldSide || l.received > .9*l.own
}

// byChance is the logarithm of the odds against so long a run of answered calls by chance.
const byChance = 3

// follow takes in what tells whether the lost calls are the candidate's alone. A run
// of calls of which none is lost says that none were being lost if as long a run, at the rate
// at which they were until now, would hardly have come in any of the pauses between.
func (l *loss) follow(c askedCell, calm bool, got float64) {
	calls := float64(c.calls)
	l.most.add(got, calls-c.lost)
	if calm && l.lacks == 0 {
		l.known, l.knownGot = l.known+calls, l.knownGot+got
		return
	}
	l.calls, l.got, l.lacks = l.calls+calls, l.got+got, l.lacks+c.lost
	if !calm {
		l.run, l.runGot = 0, 0
		return
	}
	l.run, l.runGot = l.run+calls, l.runGot+got
	if l.run*l.lacks/l.calls > byChance+math.Log1p(float64(l.uneasy)) {
		l.known, l.knownGot, l.calls, l.got = l.known+l.run, l.knownGot+l.runGot, l.calls-l.run, l.got-l.runGot
		l.run, l.runGot = 0, 0
	}
}

// mostShare is the largest share of the answers that the candidate surely had over some windows:
// less by two standard deviations, as the largest of many is by chance.
type mostShare struct {
	share  float64
	latest [shareWindows]struct{ c, all float64 }
	seen   int
}

func (m *mostShare) add(c, all float64) {
	m.latest[m.seen%shareWindows] = struct{ c, all float64 }{c, all}
	m.seen++
	var sum struct{ c, all float64 }
	for _, x := range m.latest {
		sum.c, sum.all = sum.c+x.c, sum.all+x.all
	}
	if m.seen >= shareWindows {
		all := math.Max(1, sum.all)
		m.share = math.Max(m.share, sum.c/all-2*math.Sqrt(sum.c*(all-sum.c)/all)/all)
	}
}

// lossCell is the table of one window.
type lossCell struct {
	at int32
	stat.Table
}

// onset is the first window in which calls meant for the candidate were lost:
// windows without a lost call tell its test nothing.
func (l *loss) onset(begin int32) int32 {
	for _, c := range l.kept {
		if c.XC > 0 {
			return c.at
		}
	}
	return begin
}

// since adds up the tables from window from on.
func (l *loss) since(from int32) []tally {
	var sum tally
	for _, c := range l.kept {
		if c.at >= from {
			sum.add(c.Table)
		}
	}
	return []tally{sum}
}

func newLoss(s *service, h history) *loss {
	x, n := s.lostBefore(h)
	lost, calls := s.lost(h)
	o := stat.ShiftOptions{PreX: x, PreN: n, Phi: stat.Unrest(x, n, beforePhi)}
	tolerate(&o, lost, calls)
	return &loss{rise: stat.NewShift(o), usual: lost / math.Max(1, calls), before: calls}
}

// grow takes in how many of the candidate's instances serve: with more than ever its share
// of the traffic is another, and not known yet.
func (l *loss) grow(instances int) {
	if instances <= l.instances {
		return
	}
	l.instances, l.calm = instances, 0
	l.served = [shareWindows]struct{ c, all float64 }{}
	l.most, l.known, l.knownGot, l.calls, l.got, l.lacks, l.run, l.runGot = mostShare{}, 0, 0, 0, 0, 0, 0, 0
}

// alive is how many instances of a version are heard of in window t.
func (s *service) alive(version string, t int32) (n int) {
	for _, i := range s.instances {
		if _, heard := i.heardAt(t); heard && i.version == version {
			n++
		}
	}
	return n
}

// table takes in one window: how many calls were lost of how many, and how
// many requests both versions served. It gives the calls meant for each.
func (l *loss) table(c askedCell, candidate, baseline uint64, received float64) (t stat.Table) {
	l.rise.Add(math.Max(0, c.lost-float64(c.elsewhere*float64(c.calls))), float64(c.calls), usualDrift(countFailedHere))
	l.lost, l.all = l.lost+c.lost, l.all+float64(c.calls)
	served, answered := float64(candidate+baseline), float64(c.calls)-c.lost
	got := answered * float64(candidate) / math.Max(1, served)
	calm := c.lost <= (lostRatio*l.usual+lostTolerated)*float64(c.calls)
	l.follow(c, calm, got)
	if calm {
		if served > 0 {
			l.served[l.calm%shareWindows] = struct{ c, all float64 }{float64(candidate), served}
			l.calm++
		}
		return l.meant(c, candidate, baseline, received)
	}
	l.uneasy++
	var mine, all float64
	for _, x := range l.served {
		mine, all = mine+x.c, all+x.all
	}
	lacking := 0.0
	if all > 0 {
		lacking = math.Min(c.lost, mine/all*float64(c.calls)-got)
	} else if received == 0 {
		return t
	}
	own := math.Max(received, lacking)
	l.own, l.received = l.own+own, l.received+received
	return l.meant(c, candidate, baseline, own)
}

// meant gives the calls meant for each version when so many of the candidate's were lost.
func (l *loss) meant(c askedCell, candidate, baseline uint64, lost float64) stat.Table {
	got := int(math.Round((float64(c.calls) - c.lost) * float64(candidate) / math.Max(1, float64(candidate+baseline))))
	mine := int(math.Round(lost))
	return stat.Table{NC: got + mine, XC: mine, NB: int(c.calls) - got - mine, XB: max(0, int(math.Round(c.lost))-mine)}
}

// addLoss adds the stream of lost calls, if callers told of any before the release.
func (c *comparison) addLoss(w *watch, sig *signal, h history) {
	if _, calls := c.svc.lost(h); calls < minCalls {
		return
	}
	s := c.newWitness(w, sig, nil, stat.Calibrate(nil, nil))
	s.loss, s.weight = newLoss(c.svc, h), sig.weight
	c.addWitness(s)
	c.streams = append(c.streams, &stream{signal: sig, rise: s.loss, weight: sig.weight})
}

// miss takes in the calls that were lost in window t.
func (c *comparison) miss(s *stream, t int32) {
	x := c.svc.askedAt(t)
	if x.calls == 0 {
		return
	}
	candidate, baseline := c.svc.served(c.sides.candidate, t), c.svc.served(c.sides.baseline, t)
	if candidate+baseline == 0 {
		return
	}
	s.loss.grow(c.svc.alive(c.sides.candidate, t))
	table := s.loss.table(x, candidate, baseline, x.receivedBy(c.sides.candidate))
	if table.NC > 0 && table.NB > 0 {
		d := s.divisions[0]
		d.proc.Add(0, table)
		d.totals[0].add(table)
		s.loss.kept = append(s.loss.kept[max(0, len(s.loss.kept)+1-maxKept):], lossCell{t, table})
	}
}

// served gives the requests that a version served in window t.
func (s *service) served(version string, t int32) (n uint64) {
	for _, i := range s.instances {
		if i.version != version {
			continue
		}
		for u := range i.units {
			if s.units[u].callee == "" {
				if c := i.units[u].at(t); c != nil {
					n += uint64(c.n)
				}
			}
		}
	}
	return n
}

// someoneElse says whether lost calls can be the doing of candidates that are
// not left out: of those that fell silent, where any did.
func (c *comparison) someoneElse(out map[*instance]bool, t int32) bool {
	silent, other := false, false
	for _, i := range c.svc.instances {
		if i.version != c.sides.candidate || i.last < c.start {
			continue
		}
		if t-i.last > fellSilent {
			silent = true
			if !out[i] {
				return true
			}
		}
		other = other || !out[i]
	}
	return !silent && other
}

// judges is the log e-value that more calls are lost than before, and a larger part of the
// candidate's than of the baseline's.
func (l *loss) judges(larger float64) float64 {
	e := math.Min(larger, l.rise.LogA())
	if !l.accuses() {
		return math.Min(0, e)
	}
	return e
}

// evidence is the log e-value that more calls are lost, which may be the candidate's.
func (l *loss) evidence() float64 {
	if l.uneasy < sparesFor || l.spares() {
		return math.Min(0, l.rise.LogA())
	}
	return l.rise.LogA()
}

// rising is the evidence that more calls go unanswered since the release, whichever
// version they were meant for: enough to ask a person, who knows more of them.
func (w *watch) rising(s *stream) evidence {
	l := s.rise
	return evidence{
		signal: s.signal, lost: true, rise: true, weight: s.weight, logE: l.evidence(), shift: l.rise, onset: w.begin,
		totals: []tally{{xc: l.lost, nc: l.all, xb: l.usual * l.before, nb: l.before}},
	}
}

// risen gives the calls that go unanswered, where more do since the release than before,
// perhaps the candidate's, while it serves beside the old version; nil otherwise.
func (c *comparison) risen() *loss {
	for _, s := range c.streams {
		if s.rise != nil && s.rise.rise.LogA() >= showFindings && !s.rise.spares() {
			return s.rise
		}
	}
	return nil
}

// received says that the candidate is known to have got most of the lost calls that are taken for
// its own.
func (c *comparison) received() bool {
	return slices.ContainsFunc(c.streams, func(s *stream) bool { return s.loss != nil && s.loss.received > s.loss.own/2 })
}

// loses says, in words, that more calls go unanswered since the release than before, where
// it serves beside the old version and nobody knows which of them they were meant for.
func (w *watch) loses() string {
	if w.conc == nil || w.past != nil {
		return ""
	}
	if l := w.conc.risen(); l != nil {
		return w.sayRise(l.lost/math.Max(1, l.all), l.usual)
	}
	return ""
}

func (w *watch) sayRise(now, before float64) string {
	return fmt.Sprintf("%s of the calls to %s go unanswered since the release, %s before; which version they were meant for is not known",
		percent(now), w.release.Service, percent(before))
}

// sayLost puts lost calls into words.
func (w *watch) sayLost(f *unship.Finding) string {
	if w.past != nil {
		return fmt.Sprintf("%s of the calls to %s go unanswered, %s before the release; %d calls seen",
			percent(f.Candidate), w.release.Service, percent(f.Baseline), f.Samples.Candidate)
	}
	if f.Ambiguous {
		return w.sayRise(f.Candidate, f.Baseline)
	}
	by := "by the share of the traffic that it had"
	if w.conc.received() {
		by = "by what it began to do for them"
	}
	return fmt.Sprintf("%s of the calls meant for %s go unanswered, %s, %s of those for %s; %d calls seen",
		percent(f.Candidate), w.release.ReleaseID, by, percent(f.Baseline), w.baseline, f.Samples.Candidate)
}
