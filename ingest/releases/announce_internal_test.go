package releases

import "testing"

func TestSameVersion(t *testing.T) {
	for _, tt := range []struct {
		announced, seen string
		want            bool
	}{
		{"1.1.0", "1.1.0", true},
		{"v1.1.0", "1.1.0", true},
		{"1.1.0", "V1.1.0", true},
		{"1.1.0", "1.1.0@sha256:0b31b1c02ff4", true},
		{"1.1.0", "1.1.0 (build 4f2a91c)", true},
		{"sha256:4f2a91c02ff458ad", "1.1.0 (build 4f2a91c)", true},
		{"4f2a91c02ff458ad", "4f2a91c", true},
		{"4f2a91c", "4f2a91c02ff458ad", true},
		{"1.1.1", "1.1.0", false},
		{"1.1.0", "1.1.0-rc1", false},
		{"sha256:4f2a91c02ff458ad", "1.1.0 (build 5f2a91c)", false},
		{"", "1.1.0", false},
		{"vault", "ault", false},
	} {
		if got := sameVersion(tt.announced, tt.seen); got != tt.want {
			t.Errorf("sameVersion(%q, %q) = %v", tt.announced, tt.seen, got)
		}
	}
}

func TestQualified(t *testing.T) {
	for _, tt := range []struct{ version, build, want string }{
		{"1.0.0", "sha256:4f2a91c02ff458ad", "1.0.0 (build 4f2a91c)"},
		{"1.0.0", "4f2a91c02ff458ad", "1.0.0 (build 4f2a91c)"},
		{"1.0.0", "2026-03-02.7", "1.0.0 (build 2026-03-02.7)"},
		{"", "4f2a91c02ff458ad", "build 4f2a91c"},
	} {
		if got := qualified(tt.version, tt.build); got != tt.want {
			t.Errorf("qualified(%q, %q) = %q, want %q", tt.version, tt.build, got, tt.want)
		}
	}
}
