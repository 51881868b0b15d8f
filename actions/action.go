package actions

import (
	"context"
	"time"

	"unship.dev"
)

// Action is one way to change a platform, ready to use with its settings.
type Action interface {
	// Plan says what Apply would do now. It reads only.
	Plan(ctx context.Context, r Request) (Preview, error)
	// Apply brings the platform from Request.Release to Request.Target and says
	// in a few words what it did. Applying one Request.Decision twice, even at
	// the same time, has the effect of applying it once.
	Apply(ctx context.Context, r Request) (detail string, err error)
}

// Undoer is an Action whose effect can be taken back.
type Undoer interface {
	Action
	// Undo restores what the Apply of Request.Undoes changed. Where that Apply
	// changed nothing, Undo changes nothing. It is idempotent as Apply is.
	Undo(ctx context.Context, r Request) (detail string, err error)
}

// Request is what an action is asked to do.
type Request struct {
	Decision string           // the key of idempotency
	Undoes   string           // of Undo: the decision whose Apply is taken back
	Incident string           // for the platform's own records
	Release  unship.ReleaseID // the release to take back
	Target   string           // the version to return to
	Step     int              // place in the plan, from 1
	Why      string           // one sentence for people
}

// Key is the key of idempotency of this step, for platforms that ask for one.
func (r Request) Key() string { return stepKey(r.Decision, r.Step) }

// Preview is what an action says it would do.
type Preview struct {
	Summary    string // one line for people
	Reversible bool   // Undo can take it back
	AtRisk     string // what could be lost, "" if nothing
	// InPlace says that the platform already is as Apply would leave it. It
	// settles what became of a step that was interrupted. An action that cannot
	// tell leaves it false; its Apply is then repeated.
	InPlace bool
}

// Spec is one step as a policy has it.
type Spec struct {
	Kind    string
	Timeout time.Duration // of the step with all its retries; 0: one minute
	Retries int           // after the first attempt, of failures marked Retryable
	With    []byte        // the action's own settings, YAML
	Line    int           // of the policy file, where With begins; 0 where there is no file
}

// DefaultTimeout is the timeout of a step that names none.
const DefaultTimeout = time.Minute
