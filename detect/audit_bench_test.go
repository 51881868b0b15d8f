package detect

import (
	"fmt"
	"testing"
	"time"

	"unship.dev"
	"unship.dev/rules"
)

// BenchmarkAudit advances an estate of 40 services with four instances and three
// operations each by one window. Nothing is released: what the audit adds is
// the difference between none and some placebos.
func BenchmarkAudit(b *testing.B) {
	for _, placebos := range []int{0, 4} {
		b.Run(fmt.Sprintf("placebos=%d", placebos), func(b *testing.B) {
			s := newSimulation(1)
			first := s.services
			for k := range 7 {
				for _, v := range first {
					c := *v
					c.name = fmt.Sprintf("%s-%d", v.name, k)
					s.services = append(s.services, &c)
				}
			}
			var ticks []unship.Tick
			for t := range 120 {
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
			for b.Loop() {
				next()
			}
		})
	}
}
