package file

import (
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"unship.dev/ingest/otlp/wire"
)

// latest is the item's time: the latest of each resource, and of these the
// (lower) median, so that one wrong clock among several is outvoted. An item
// cannot have been sent before what it tells had happened.
func (i *Item) latest() time.Time {
	var each []int64
	switch i.Kind {
	case KindTraces:
		if i.Message != nil {
			each = messageTimes(i.Message)
		} else {
			each = i.traceTimes()
		}
	case KindMetrics:
		each = i.metricTimes()
	case KindLogs:
		each = i.logTimes()
	case KindAnnouncements:
		for _, a := range i.Announcements {
			each = append(each, a.At.UnixNano())
		}
	case KindNone:
	}
	each = slices.DeleteFunc(each, func(t int64) bool { return t <= 0 })
	if len(each) == 0 {
		return time.Time{}
	}
	slices.Sort(each)
	return time.Unix(0, each[(len(each)-1)/2]).UTC()
}

// clamp keeps times beyond the year 2262, which int64 nanoseconds cannot tell, the latest.
func clamp(t pcommon.Timestamp) int64 { return int64(min(uint64(t), farFuture)) }

func (i *Item) traceTimes() (each []int64) {
	for _, r := range i.Traces.ResourceSpans().All() {
		last := int64(0)
		for _, s := range r.ScopeSpans().All() {
			for _, span := range s.Spans().All() {
				last = max(last, clamp(span.EndTimestamp()))
			}
		}
		each = append(each, last)
	}
	return each
}

// messageTimes is traceTimes of a request in protobuf. A malformed one has the times
// before it goes wrong.
func messageTimes(message []byte) (each []int64) {
	for r := (wire.Reader{Rest: message}); r.Next(); {
		if r.Field != 1 || r.Type != wire.Bytes {
			continue
		}
		last := int64(0)
		for rs := (wire.Reader{Rest: r.Data}); rs.Next(); {
			if rs.Field == 2 && rs.Type == wire.Bytes {
				last = max(last, lastEnd(rs.Data))
			}
		}
		each = append(each, last)
	}
	return each
}

// lastEnd is the latest end of the spans of a scope.
func lastEnd(scope []byte) (last int64) {
	for r := (wire.Reader{Rest: scope}); r.Next(); {
		if r.Field != 2 || r.Type != wire.Bytes {
			continue
		}
		for s := (wire.Reader{Rest: r.Data}); s.Next(); {
			if s.Field == 8 && s.Type == wire.Fixed64 {
				last = max(last, clamp(pcommon.Timestamp(s.Num)))
			}
		}
	}
	return last
}

func (i *Item) logTimes() (each []int64) {
	for _, r := range i.Logs.ResourceLogs().All() {
		last := int64(0)
		for _, s := range r.ScopeLogs().All() {
			for _, rec := range s.LogRecords().All() {
				t := rec.Timestamp()
				if t == 0 {
					t = rec.ObservedTimestamp()
				}
				last = max(last, clamp(t))
			}
		}
		each = append(each, last)
	}
	return each
}

func (i *Item) metricTimes() (each []int64) {
	for _, r := range i.Metrics.ResourceMetrics().All() {
		last := int64(0)
		for _, s := range r.ScopeMetrics().All() {
			for _, m := range s.Metrics().All() {
				last = max(last, metricTime(m))
			}
		}
		each = append(each, last)
	}
	return each
}

// metricTime is the time of a metric's latest point.
func metricTime(m pmetric.Metric) int64 {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return lastPoint(m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		return lastPoint(m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		return lastPoint(m.Histogram().DataPoints())
	case pmetric.MetricTypeExponentialHistogram:
		return lastPoint(m.ExponentialHistogram().DataPoints())
	case pmetric.MetricTypeSummary:
		return lastPoint(m.Summary().DataPoints())
	case pmetric.MetricTypeEmpty:
	}
	return 0
}

// points is any list of data points of a metric.
type points[P any] interface {
	Len() int
	At(int) P
}

func lastPoint[P interface{ Timestamp() pcommon.Timestamp }](list points[P]) (last int64) {
	for i := range list.Len() {
		last = max(last, clamp(list.At(i).Timestamp()))
	}
	return last
}
