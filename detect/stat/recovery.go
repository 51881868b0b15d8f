package stat

// RecoveryOptions describes what was and what went wrong.
type RecoveryOptions struct {
	Before, Bad float64 // rates before the release and of the bad release
	Delta       float64 // rate above Before that still counts as recovered; 0: .001
	Phi         float64 // dispersion; below 1: 1
	Beta        float64 // probability of either wrong answer; 0: .001
}

// Recovery tells whether a rollback helped.
type Recovery struct{}

// NewRecovery gives an undecided recovery.
func NewRecovery(o RecoveryOptions) *Recovery { return &Recovery{} }

// Step adds one window: x bad of n.
func (r *Recovery) Step(x, n float64) (recovered, notHelped bool) { return false, false }

// LogE gives the evidence for both answers.
func (r *Recovery) LogE() (recovered, notHelped float64) { return 0, 0 }

// Decidable says whether the rates differ enough for an answer.
func (r *Recovery) Decidable() bool { return false }
