package unship

import "time"

// RankingSchema names the JSON form of [Ranking]. Fields may be added to it, never changed.
const RankingSchema = "unship.ranking/v1"

// Ranking orders the releases of one environment, those under watch and those
// whose watch ended not long ago, by what speaks for each of them, if one of them
// is the cause. It answers "which one first?" where
// nothing is sure enough to act on, and never acts: unship.ranking/v1.
type Ranking struct {
	Schema      string     `json:"schema"`
	Environment string     `json:"environment"`
	At          time.Time  `json:"at"`       // Tick.Closed
	Releases    []Standing `json:"releases"` // the most suspect first
}

// Standing is where one release stands among the others.
type Standing struct {
	Namespace string    `json:"namespace"`
	Service   string    `json:"service"`
	Version   string    `json:"version"`
	Previous  string    `json:"previous,omitempty"`
	Since     time.Time `json:"since"` // when it began to serve, or was announced
	// Share is the probability that it is the cause, given that exactly one of
	// these releases is. What it was not given, nothing being wrong, is in
	// [Judgement] and [Hypothesis].
	Share  float64 `json:"share"`
	Unseen bool    `json:"unseen,omitempty"` // announced, and nothing of it was seen so far
	Why    string  `json:"why"`
}
