package detect

import (
	"math"
	"testing"
)

// inWaves makes a replacement of a service whose load comes in waves, with which
// requests become slower and fail a little more.
func inWaves(seed uint64) *simulation {
	s := newSimulation(seed)
	s.load = func(t int) float64 {
		if t%12 == 0 {
			return 9
		}
		return .25
	}
	s.effects = append(s.effects, func(_ *simService, _ *simInstance, _ string, t int) effect {
		if t%12 == 0 {
			return effect{latency: 2, errors: .01}
		}
		return effect{}
	})
	s.replace("cart", simStart, 2)
	return s
}

func TestLoadThatComesInWavesIsNoNews(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		s := inWaves(seed + 970)
		if seed%2 == 0 {
			if r := s.run(t)["cart"]; r.regressed >= 0 {
				t.Errorf("seed %d: a harmless release is blamed after %d windows: %s, log E %.1f", seed, r.regressed, r.first.Why, r.first.LogE)
			}
			continue
		}
		s.effects = append(s.effects, func(v *simService, i *simInstance, _ string, _ int) effect {
			if v.name == "cart" && i.version == "1.1.0" {
				return effect{errors: .08}
			}
			return effect{}
		})
		if r := s.run(t)["cart"]; r.regressed < 0 || r.regressed > 60 {
			t.Errorf("seed %d: regressed after %d windows, want at most 60: %s, log E %.1f", seed, r.regressed, r.last.Why, r.last.LogE)
		}
	}
}

func TestLoadBeyondThePastIsNews(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		before func(k int) uint64
		after  func(k int) uint64
		want   float64 // of the load after a minute
	}{
		{"as ever", func(int) uint64 { return 100 }, func(int) uint64 { return 110 }, 0},
		{"waves", func(k int) uint64 { return 10 + 600*ifWave(k%12 == 0) }, func(k int) uint64 { return 10 + 600*ifWave(k%12 == 3) }, 0},
		{"three times", func(int) uint64 { return 100 }, func(int) uint64 { return 300 }, math.Log(301./101) - loadDeadZone},
		{"a third", func(int) uint64 { return 300 }, func(int) uint64 { return 100 }, math.Log(301./101) - loadDeadZone},
		{"a wave that stays", func(k int) uint64 { return 100 + 200*ifWave(k < 6) }, func(int) uint64 { return 300 }, math.Log(301./201) - loadDeadZone},
	} {
		w := &watch{svc: &service{first: -1}, begin: 96, length: 96}
		for k := range int32(96) {
			w.svc.load = append(w.svc.load, loadCell{at: k, n: c.before(int(k))})
		}
		for k := range int32(12) {
			w.svc.load = append(w.svc.load, loadCell{at: 96 + k, n: c.after(int(k))})
		}
		if got := math.Max(w.loadNews(107, loadWindows), w.loadNews(107, 12)); math.Abs(got-c.want) > .01 {
			t.Errorf("%s: %.3f, want %.3f", c.name, got, c.want)
		}
	}
}

func ifWave(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
