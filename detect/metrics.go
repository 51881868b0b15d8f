package detect

import (
	"slices"
	"sort"
	"strings"
	"time"

	"unship.dev"
)

// Bounds of what is known of a service's metrics.
const (
	maxMetrics   = 64 // series of one service: a name with its attributes
	levelBlock   = 2 * time.Minute
	levelLow     = 3  // lowest points of a block that make its floor
	keptPoints   = 64 // of a series that is compared point by point, however old
	pendingPhase = 2  // k8s.pod.phase above it but succeeded: failed, unknown
)

// scale says in which units levels of a metric are compared.
type scale uint8

const (
	scaleLog   scale = iota // ratios count: usage, durations
	scaleShare              // differences count: shares of one that are near nothing or near all
)

// metric is one series of a service: a metric's name with its attributes.
type metric struct {
	metricKey
	kind  unship.MetricKind
	unit  string
	worse int8 // 1: more is worse, −1: less is, 0: unknown
	scale scale
	limit bool // the most that another metric may reach: no level by itself
	grows bool // what it measures may fill up: memory, descriptors, queues
	last  int32
	class pointClass
	ends  [2]string // services that it names as caller and callee
}

type metricKey struct{ name, attributes string }

// title names a metric for people.
func (m *metricKey) title() string {
	if m.attributes == "" {
		return m.name
	}
	return m.name + "{" + m.attributes + "}"
}

// Words in metrics' names that tell which direction is worse. Names are those
// of OTel's semantic conventions, of Kubernetes and of service meshes.
var (
	lessIsWorse = words("success successful successes available availability hit hits ready healthy goodput")
	moreIsWorse = words(`error errors failed failure failures fail fault faults exception exceptions reject rejected rejects rejections
		drop dropped drops restart restarts oom oomkilled killed throttle throttled throttling timeout timeouts retry retries evict evicted evictions
		miss misses abort aborted conflict conflicts deadlock deadlocks blocked lost`)
	harmful = words(`latency duration delay lag queue queued pending wait waiting waits backlog depth usage used utilization memory cpu gc pause
		heap rss threads thread goroutine goroutines descriptors fds leak leaks`)
	fillsUp  = words("memory heap rss set threads thread goroutine goroutines descriptors fds queue backlog connections lag used usage")
	utilized = words("utilization utilisation") // of a limit
	limits   = words("limit capacity max quota requested")
	shares   = words("ratio rate percent percentage share success availability hit")
)

func words(s string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(s) {
		out[w] = true
	}
	return out
}

// newMetric tells from a metric's name and unit what it means.
func newMetric(p *unship.Metric) *metric {
	m := &metric{metricKey: metricKey{p.Name, p.Attributes}, kind: p.Kind, unit: p.Unit}
	tokens := nameWords(p.Name + " " + p.Attributes)
	is := func(w map[string]bool) bool { return slices.ContainsFunc(tokens, func(t string) bool { return w[t] }) }
	switch {
	case is(limits) && !is(utilized):
		m.limit = true
	case is(moreIsWorse):
		m.worse = 1
	case is(lessIsWorse) && !is(harmful):
		m.worse = -1
	case is(harmful):
		m.worse = 1
	}
	if p.Kind == unship.MetricGauge && is(shares) && (is(moreIsWorse) || is(lessIsWorse)) {
		m.scale = scaleShare
	}
	m.grows = p.Kind == unship.MetricGauge && m.worse > 0 && m.scale == scaleLog && is(fillsUp) && !is(words("cpu utilization"))
	m.class, m.ends = m.points(), endsOf(p.Attributes)
	return m
}

// counted says that a counter's every increase is harm by itself, however much else goes on.
func (m *metric) counted() bool {
	return m.ofThings() && m.worse > 0 && slices.ContainsFunc(nameWords(m.name+" "+m.attributes), func(t string) bool { return moreIsWorse[t] })
}

// ofThings says that a counter counts things, and not seconds or bytes.
func (m *metric) ofThings() bool {
	return m.kind == unship.MetricCount && (m.unit == "" || m.unit == "1" || strings.HasPrefix(m.unit, "{"))
}

// nameWords takes a metric's name apart.
func nameWords(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// gaugeBlock sums an instance's points of one metric over two minutes.
type gaugeBlock struct {
	at  int32
	n   int32
	end int32 // window of the last point
	sum float64
	low [levelLow]float64
}

func (b *gaugeBlock) add(v float64, t int32) {
	b.sum += v
	b.end = t
	at := min(int(b.n), levelLow)
	b.n++
	for k := 0; k < at; k++ {
		if v < b.low[k] {
			v, b.low[k] = b.low[k], v
		}
	}
	if at < levelLow {
		b.low[at] = v
	}
}

// floor is the mean of the lowest points: what stays when a sawtooth falls.
func (b *gaugeBlock) floor() float64 {
	k := min(int(b.n), levelLow)
	sum := 0.0
	for _, v := range b.low[:k] {
		sum += v
	}
	return sum / float64(max(1, k))
}

// gauge is an instance's series of one metric.
type gauge struct {
	blocks []gaugeBlock
	points []point // of what is compared point by point
	last   float64
	seen   bool
}

func (g *gauge) at(block int32) *gaugeBlock {
	for k := len(g.blocks) - 1; k >= 0 && g.blocks[k].at >= block; k-- {
		if g.blocks[k].at == block {
			return &g.blocks[k]
		}
	}
	return nil
}

func (g *gauge) forget(from int32) {
	k := 0
	for k < len(g.blocks) && g.blocks[k].end < from {
		k++
	}
	g.blocks = append(g.blocks[:0], g.blocks[k:]...)
	k = sort.Search(len(g.points), func(k int) bool { return g.points[k].at >= from })
	k = max(0, min(k, len(g.points)-keptPoints)) // those that come rarely are kept for longer
	g.points = append(g.points[:0], g.points[k:]...)
}

// metric gives the index of a metric; −1 beyond the bound. A place whose metric
// has been silent for longer than anything looks back is used again.
func (s *service) metric(p *unship.Metric, t int32) int {
	k := metricKey{p.Name, p.Attributes}
	if at, ok := s.metricOf[k]; ok {
		s.metrics[at].last = t
		return at
	}
	at := len(s.metrics)
	if at == maxMetrics {
		if at = slices.IndexFunc(s.metrics, func(m *metric) bool { return m.last < s.forgotten }); at < 0 {
			return -1
		}
		delete(s.metricOf, s.metrics[at].metricKey)
		for _, i := range s.instances {
			if at < len(i.metrics) {
				i.metrics[at] = gauge{}
			}
		}
	} else {
		s.metrics = append(s.metrics, nil)
	}
	s.metrics[at] = newMetric(p)
	s.metrics[at].last = t
	s.metricOf[k] = at
	return at
}

// readMetrics takes in an instance's points. block is that of window t.
func (s *service) readMetrics(i *instance, w *unship.Window, t, block int32) {
	for k := range w.Metrics {
		p := &w.Metrics[k]
		at := s.metric(p, t)
		if at < 0 || p.Value != p.Value || p.Value-p.Value != 0 { // NaN, infinite
			continue
		}
		for at >= len(i.metrics) {
			i.metrics = append(i.metrics, gauge{})
		}
		m, g := s.metrics[at], &i.metrics[at]
		if m.harm(g, p) {
			s.showed(i, eventKey{unship.SignalMetric, m.title(), true}, "", t)
		}
		g.last, g.seen = p.Value, true
		if n := len(g.blocks); n == 0 || g.blocks[n-1].at != block {
			g.blocks = append(g.blocks, gaugeBlock{at: block})
		}
		g.blocks[len(g.blocks)-1].add(p.Value, t)
		if m.class != pointNone {
			g.points = append(g.points, point{t, p.Value})
		}
	}
}

// harm says that a point tells of something that should not happen: an error
// was counted, a container restarted or failed.
func (m *metric) harm(g *gauge, p *unship.Metric) bool {
	switch {
	case m.counted():
		return p.Value > 0
	case m.kind == unship.MetricCount:
		return false
	case strings.HasSuffix(m.name, ".restarts") || strings.HasSuffix(m.name, "_restarts_total"):
		return g.seen && p.Value > g.last
	case m.name == "process.uptime" || m.name == "process_uptime_seconds":
		return g.seen && p.Value < g.last
	case m.name == "k8s.pod.phase":
		return p.Value > pendingPhase+1 && (!g.seen || g.last <= pendingPhase+1)
	}
	return false
}

// forgetMetrics drops an instance's blocks before a window.
func (i *instance) forgetMetrics(from int32) {
	for k := range i.metrics {
		i.metrics[k].forget(from)
	}
}
