package actions

import (
	"errors"
	"time"
)

// mark is what an action says about its error.
type mark struct {
	err       error
	retryable bool
	uncertain bool
	after     time.Duration
}

func (m *mark) Error() string { return m.err.Error() }
func (m *mark) Unwrap() error { return m.err }

// Retryable marks a failure that may go away: the runner tries again, as often
// as the step's retries and timeout allow.
func Retryable(err error) error {
	return &mark{err: err, retryable: true}
}

// RetryAfter marks a failure as [Retryable], but not before d has passed.
func RetryAfter(err error, d time.Duration) error {
	return &mark{err: err, retryable: true, after: d}
}

// Uncertain marks a failure after which nobody knows whether the step took
// effect: an answer was lost. The runner asks Plan before it draws a conclusion.
func Uncertain(err error) error {
	return &mark{err: err, uncertain: true}
}

// IsRetryable says whether err was marked as [Retryable].
func IsRetryable(err error) bool {
	return anyMark(err, func(m *mark) bool { return m.retryable })
}

// IsUncertain says whether err was marked as [Uncertain].
func IsUncertain(err error) bool {
	return anyMark(err, func(m *mark) bool { return m.uncertain })
}

// retryDelay is the wait that err asks for, or 0.
func retryDelay(err error) (d time.Duration) {
	anyMark(err, func(m *mark) bool { d = max(d, m.after); return false })
	return d
}

func anyMark(err error, is func(*mark) bool) bool {
	for m, ok := errors.AsType[*mark](err); ok; m, ok = errors.AsType[*mark](m.err) {
		if is(m) {
			return true
		}
	}
	return false
}
