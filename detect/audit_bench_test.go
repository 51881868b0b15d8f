package detect

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/rules"
)

// BenchmarkAudit advances an estate by one window: 40 services with four
// instances and three operations each, or five with 40 instances and 20
// operations. Nothing is released: what the audit adds is the difference
// between none and some placebos.
func BenchmarkAudit(b *testing.B) {
	for _, e := range []struct {
		name                          string
		copies, instances, operations int
	}{{"many", 8, 4, 3}, {"wide", 1, 40, 20}} {
		for _, placebos := range []int{0, 4} {
			b.Run(fmt.Sprintf("%s/placebos=%d", e.name, placebos), func(b *testing.B) {
				benchmarkAudit(b, estateOf(e.copies, e.instances, e.operations), placebos)
			})
		}
	}
}

// estateOf gives five services so many times over.
func estateOf(copies, instances, operations int) *simulation {
	s := newSimulation(1)
	first := s.services
	s.services = nil
	for k := range copies {
		for _, v := range first {
			c := &simService{name: fmt.Sprintf("%s-%d", v.name, k), rps: v.rps, releases: v.releases}
			for i := range operations {
				o := v.ops[i%len(v.ops)]
				o.name, o.share = fmt.Sprintf("GET /%d", i), 1/float64(operations)
				c.ops = append(c.ops, o)
			}
			for i := range instances {
				x := *v.instances[i%len(v.instances)]
				x.id = fmt.Sprintf("%s-%d", c.name, i)
				c.instances = append(c.instances, &x)
			}
			s.services = append(s.services, c)
		}
	}
	return s
}

// cpuTime is what the process has used, whatever else the machine does.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchmarkAudit(b *testing.B, s *simulation, placebos int) {
	var ticks []unship.Tick
	for t := range 60 {
		k, _ := s.tick(t)
		ticks = append(ticks, k)
	}
	d, err := New(Options{Placebos: placebos})
	if err != nil {
		b.Fatal(err)
	}
	at := 0
	next := func() {
		k := ticks[at%len(ticks)]
		k.Start, k.End = simTime(at), simTime(at+1)
		k.Closed = k.End.Add(10 * time.Second)
		d.Observe(k, nil, rules.Set{s.policy})
		at++
	}
	for range 2 * 360 {
		next()
	}
	used := cpuTime(b)
	for b.Loop() {
		next()
	}
	b.ReportMetric(float64(cpuTime(b)-used)/float64(b.N), "cpu-ns/op")
}
