package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestAnAuditTellsOfBothComparisons(t *testing.T) {
	var out, errs bytes.Buffer
	code, err := run(t.Context(), []string{"-audit", "100m", "-only", "S0", "-v"}, &out, &errs)
	if code != 0 || err != nil {
		t.Fatalf("exit status %d: %v", code, err)
	}
	for _, want := range []string{"| S0: independent failures | concurrent | ", "| S0: independent failures | before_after | ", "| all | concurrent | "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
	if errs.Len() > 0 {
		t.Errorf("false alarms where nothing happens at all:\n%s", &errs)
	}
}

func TestAnAuditOfNoLengthIsRefused(t *testing.T) {
	var out, errs bytes.Buffer
	if code, err := run(t.Context(), []string{"-audit", "-1h"}, &out, &errs); code != 2 || err == nil {
		t.Errorf("exit status %d: %v", code, err)
	}
}
