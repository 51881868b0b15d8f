package releases_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unship.dev/ingest/releases"
)

func TestStoriesOfScaleAndAnnouncements(t *testing.T) {
	for _, tt := range []struct{ name, story, want string }{
		{"scaled to zero, and another version comes up", `0..300 1.0*3:60
			3900..4500 1.1*3:60`, `
			3900 1.1 was=1.0 since=3900 last=3905 replaced`},
		{"scaled up and down", `0..300 1.0*1:20
			300..600 1.0*20:400
			600..900 1.0*2:40`, ``},
		{"canary aborted and tried again", `0..300 1.0*9:180
			300..600 1.0*9:162 1.1*1:18
			600..900 1.0*9:180
			900..1200 1.0*9:162 1.1*1:18`, `
			300 1.1 was=1.0 since=300 last=305 unknown
			480 1.1 was=1.0 since=300 last=485 canary
			655 1.1 was=1.0 since=300 last=600 canary
			900 1.1 was=1.0 since=300 last=905 canary`},
		{"a flag that is announced, and again by a retry", `0..600 1.0*3:60
			300 announce x flag=rates id=a
			305 announce x flag=rates id=a
			400 announce x flag=rates id=a ago=12`, `
			300 1.0 (flag rates=on) was=1.0 since=300 last=305 replaced by=a
			400 1.0 (flag rates=on) was=1.0 since=385 last=405 replaced by=a`},
		{"a flag of another service's namespace", `0..600 1.0*3:60
			300 announce x flag=rates in=bank`, ``},
		{"a value of a flag that requests did not carry before", `0..300 1.0?rates=off*3:60
			300..600 1.0?rates=off*2:40 1.0#b?rates=on*2:40`, `
			300 1.0 (flag rates=on) was=1.0 since=290 last=305 replaced`},
		{"a value of a flag that log records tell", `0..300 1.0?log:rates=off*3:60
			300..600 1.0?log:rates=off*2:40 1.0#b?log:rates=on*2:40`, `
			300 1.0 (flag rates=on) was=1.0 since=290 last=305 replaced`},
		{"few requests carry the new value", `0..300 1.0?rates=off*2:8
			300..600 1.0?rates=off*1:4 1.0#b?rates=on*1:4`, `
			320 1.0 (flag rates=on) was=1.0 since=290 last=325 replaced`},
		{"strays carry another value", `0..1200 1.0?rates=off*2:40
			300..310 1.0#b?rates=on*1:5
			500..510 1.0#b?rates=on*1:5
			700..710 1.0#b?rates=on*1:5`, ``},
		{"values of a flag from the first minute on", `0..600 1.0?rates=off*2:40 1.0#b?rates=on*2:40`, ``},
		{"a flag that begins to be told", `0..300 1.0*3:60
			300..600 1.0?rates=off*2:60 1.0#b?rates=on*2:40`, `
			300 1.0 (flag rates=on) was=1.0 since=290 last=305 replaced`},
		{"another build in every tick", builds(100), `
			300 latest (build 00c0ffe) was=latest since=300 last=305 unknown
			305 latest (build 01c0ffe) was=latest since=305 last=310 unknown
			310 latest (build 02c0ffe) was=latest since=310 last=315 unknown
			315 latest (build 03c0ffe) was=latest since=315 last=320 unknown
			320 latest (build 04c0ffe) was=latest since=320 last=325 unknown
			325 latest (build 05c0ffe) was=latest since=325 last=330 unknown
			330 latest (build 06c0ffe) was=latest since=330 last=335 unknown
			335 latest (build 07c0ffe) was=latest since=335 last=340 unknown`},
		{"announced in its namespace", `0..300 1.0*3:60
			290 announce 1.1 in=shop
			300..500 1.1*3:60`, `
			300 1.1 was=1.0 since=300 last=305 unknown by=1.1@290
			355 1.1 was=1.0 since=300 last=360 replaced by=1.1@290`},
		{"announced in another namespace", `0..300 1.0*3:60
			290 announce 1.1 in=bank
			300..500 1.1*3:60
			400 announce 1.1 in=bank`, `
			300 1.1 was=1.0 since=300 last=305 unknown
			355 1.1 was=1.0 since=300 last=360 replaced`},
		{"the same script announces the same version again", `0..300 1.0*3:60
			290 announce 1.1 id=script
			300..600 1.1*3:60
			600..900 1.0*3:60
			890 announce 1.1 id=script
			900..1000 1.1*3:60`, `
			300 1.1 was=1.0 since=300 last=305 unknown by=script
			355 1.1 was=1.0 since=300 last=360 replaced by=script
			600 1.0 was=1.1 since=600 last=605 unknown rollback-of=1.1
			655 1.0 was=1.1 since=600 last=660 replaced rollback-of=1.1
			655 1.1 was=1.0 since=300 last=600 replaced by=script
			900 1.1 was=1.0 since=900 last=905 unknown by=script
			955 1.0 was=1.1 since=600 last=900 replaced rollback-of=1.1
			955 1.1 was=1.0 since=900 last=960 replaced by=script`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tell(t, releases.New(releases.Options{}), tt.story)
			if diff := cmp.Diff(lines(tt.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// builds is a story in which one version has another build in each tick.
func builds(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d..%d latest/%02xc0ffee*1:10\n", 300+5*i, 305+5*i, i)
	}
	return "0..300 latest/ffc0ffee*3:60\n" + b.String()
}
