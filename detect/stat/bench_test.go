package stat

import (
	"testing"
)

// One window of 10,000 streams; wanted: well under 100 ms.
func BenchmarkWindowOf10000Streams(b *testing.B) {
	for name, t := range map[string]Table{
		"quiet": {100, 900, 0, 0}, "rare": {100, 900, 1, 4}, "exact": {1000, 9000, 3, 16}, "profile": {1000, 9000, 510, 4490},
	} {
		b.Run(name, func(b *testing.B) {
			c := Calibrate(nil, nil)
			streams := make([]*Process, 10000)
			for i := range streams {
				streams[i] = NewProcess(ProcessOptions{Calibration: c, ExtraSD: .05, InstancesC: 2, InstancesB: 8})
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, p := range streams {
					p.Add(0, t)
					p.Close()
				}
			}
		})
	}
}

func BenchmarkCalibrate(b *testing.B) {
	cells := environments()["S6 mixed"].run(newRandom(1), 10, 360, 0)
	for b.Loop() {
		Calibrate([]Cells{cells}, nil)
	}
}

func BenchmarkShift(b *testing.B) {
	s := NewShift(ShiftOptions{PreX: make([]float64, 360), PreN: make([]float64, 360)})
	for b.Loop() {
		s.Add(3, 900, .15)
		s.LogB()
	}
}

func BenchmarkRateInterval(b *testing.B) {
	for b.Loop() {
		RateInterval(51, 1000, .999, RateOptions{Phi: 1.5, SD: .1})
	}
}

func BenchmarkDetectable(b *testing.B) {
	for b.Loop() {
		Detectable(1000, 9000, .01, 1.5, .1, 7)
	}
}
