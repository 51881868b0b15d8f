package stat

// ShiftOptions describes the time before a release that replaced everything.
type ShiftOptions struct {
	PreX, PreN []float64 // bad count and exposure by window before the release, oldest first
	Phi        float64   // dispersion; below 1: 1.5
	Grid       []float64 // log rate multipliers; nil: [DefaultGrid]
	Horizon    int       // windows of the watch; 0: 360
}

// Shift is the evidence of one stream that its rate rose with the release.
type Shift struct{}

// NewShift gives a shift without evidence.
func NewShift(o ShiftOptions) *Shift { return &Shift{} }

// Add adds one window after the release.
func (s *Shift) Add(x, n, sd float64) {}

// LogA is the log Bayes factor of "worse since the release" against drift.
func (s *Shift) LogA() float64 { return 0 }

// LogB is the log Bayes factor of "shifted at any other time" against drift.
func (s *Shift) LogB() float64 { return 0 }

// ShiftRelease combines the streams of one release.
type ShiftRelease struct{}

// NewShiftRelease gives a release without evidence.
func NewShiftRelease(pExo, limit float64) *ShiftRelease { return &ShiftRelease{} }

// Step combines the streams' evidence of one window and gives the rate-limited log e-value.
func (r *ShiftRelease) Step(weights, logA, logB []float64) float64 { return 0 }

// LogE is the rate-limited log e-value.
func (r *ShiftRelease) LogE() float64 { return 0 }
