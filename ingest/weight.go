package ingest

import (
	"math"
	"strconv"
	"strings"
)

// weight is how many requests a sampled one stands for, in units of 1/weightOne;
// 0 where nothing tells.
type weight uint32

const (
	weightBits = 8
	weightOne  = weight(1) << weightBits
)

// weightOf gives the weight of what was kept with a probability. A probability
// outside (0,1] tells nothing.
func weightOf(probability float64) weight {
	if !(probability > 0 && probability <= 1) {
		return 0
	}
	return weight(math.Min(math.Round(float64(weightOne)/probability), math.MaxUint32))
}

// requests is the number of requests that a sum of weights stands for.
func requests(sum uint64) uint64 { return (sum + uint64(weightOne)/2) >> weightBits }

// weight reads what a sampler in the head told of its probability. In this order:
// the threshold in tracestate (OpenTelemetry, consistent probability sampling), the
// older power of two there, sampling.probability, sampling.threshold as the
// Collector's sampler writes it, Jaeger's sampler.param, and SampleRate, of which
// one in so many was kept.
func (d *spanData) weight() weight {
	if w := traceStateWeight(d.traceState); w != 0 {
		return w
	}
	f := &d.fields
	switch {
	case f[samplingProbability] != "":
		return weightOf(number(f[samplingProbability]))
	case f[samplingThreshold] != "":
		return thresholdWeight(f[samplingThreshold])
	case f[samplerType] == "probabilistic":
		return weightOf(number(f[samplerParam]))
	case f[sampleRate] != "":
		return weightOf(1 / number(f[sampleRate]))
	}
	return 0
}

// number reads a number; 0 if it is none.
func number(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return v
}

// traceStateWeight finds the vendor key "ot" of a W3C tracestate.
func traceStateWeight(state string) weight {
	for state != "" {
		var member string
		member, state, _ = strings.Cut(state, ",")
		if values, ok := strings.CutPrefix(strings.TrimSpace(member), "ot="); ok {
			return otWeight(values)
		}
	}
	return 0
}

func otWeight(values string) (w weight) {
	for values != "" {
		var pair string
		pair, values, _ = strings.Cut(values, ";")
		key, value, _ := strings.Cut(pair, ":")
		switch key {
		case "th":
			if w := thresholdWeight(value); w != 0 {
				return w
			}
		case "p":
			if n, err := strconv.ParseUint(value, 10, 8); err == nil && n < 63 { // 63: nobody knows
				w = weightOf(math.Ldexp(1, -int(n)))
			}
		}
	}
	return w
}

// thresholdDigits is the length of a rejection threshold: 56 bits in hexadecimal,
// zeros at the end left out.
const thresholdDigits = 14

// thresholdWeight reads a rejection threshold T: what is kept has a randomness of
// at least T out of 2^56, so the probability is 1 - T/2^56.
func thresholdWeight(digits string) weight {
	if digits == "" || len(digits) > thresholdDigits {
		return 0
	}
	t, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return 0
	}
	const all = 1 << (4 * thresholdDigits)
	t <<= 4 * (thresholdDigits - len(digits))
	return weightOf(float64(all-t) / all)
}
