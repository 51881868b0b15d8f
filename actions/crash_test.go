package actions_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unship.dev"
	"unship.dev/actions"
	"unship.dev/actions/actiontest"
)

// frail is a ledger whose process dies at its n-th entry: before the entry is
// on disk or, late, just after.
type frail struct {
	*actiontest.Ledger
	n    int
	late bool
}

type death struct{}

func (l *frail) entry(write func()) {
	if l.n--; l.n == 0 && !l.late {
		panic(death{})
	}
	write()
	if l.n == 0 {
		panic(death{})
	}
}

func (l *frail) Begin(ctx context.Context, d string, s unship.Step) (r unship.StepResult, known bool, err error) {
	l.entry(func() { r, known, err = l.Ledger.Begin(ctx, d, s) })
	return r, known, err
}

func (l *frail) End(ctx context.Context, d string, r unship.StepResult) (err error) {
	l.entry(func() { err = l.Ledger.End(ctx, d, r) })
	return err
}

// carryUntilDeath reports whether the process died.
func carryUntilDeath(t *testing.T, p *platform, l actions.Ledger, s []actions.Spec) (died bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, died = r.(death); !died {
				panic(r)
			}
		}
	}()
	runner(t, p, l).Carry(t.Context(), rollback(), s)
	return false
}

// Wherever the process dies, the next one leaves the platform and the ledger as
// if it had not.
func TestDeathAtEveryEntry(t *testing.T) {
	for name, fault := range map[string]error{"good": nil, "third step fails": errors.New("no")} {
		s := specs("two_way", "two_way", "two_way")
		whole := newPlatform()
		whole.script["3/apply"] = fails(fault)
		want := runner(t, whole, &actiontest.Ledger{}).Carry(t.Context(), rollback(), s)
		deaths := 0
		for n := 1; n <= 20; n++ {
			for _, late := range []bool{false, true} {
				p, ledger := newPlatform(), &actiontest.Ledger{}
				p.script["3/apply"] = fails(fault)
				if !carryUntilDeath(t, p, &frail{ledger, n, late}, s) {
					continue
				}
				deaths++
				got := runner(t, p, ledger).Carry(t.Context(), rollback(), s)
				where := fmt.Sprintf("%s, death at entry %d, late %v", name, n, late)
				if d := cmp.Diff(whole.effects, p.effects); d != "" {
					t.Errorf("%s: effects (-want +got):\n%s", where, d)
				}
				if d := cmp.Diff(results(want), results(got)); d != "" || want.Result != got.Result {
					t.Errorf("%s: %s, want %s; steps (-want +got):\n%s", where, got.Result, want.Result, d)
				}
			}
		}
		if deaths < 12 {
			t.Errorf("%s: only %d deaths were tried", name, deaths)
		}
	}
}
