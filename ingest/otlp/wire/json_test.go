package wire

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckJSON(t *testing.T) {
	const level = `{"arrayValue":{"values":[`
	deep := func(n int) string { return strings.Repeat(level, n) + "{}" + strings.Repeat("]}}", n) }
	for _, tt := range []struct {
		name, body string
		want       error
	}{
		{"usual", deep(3), nil},
		{"many lists side by side", "[" + strings.Repeat("[],", 2*fewBrackets) + "[]]", nil},
		{"brackets in a text", `{"a":"` + strings.Repeat("[", 2*fewBrackets) + `"}`, nil},
		{"endless", deep(1 << 20), ErrNoJSON},
		{"endless and cut off", strings.Repeat(level, 1<<20), ErrNoJSON},
		{"behind a mistake", `{"stringValue":x"` + deep(1<<20), ErrNoJSON},
	} {
		if got := checkJSON([]byte(tt.body)); !errors.Is(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
