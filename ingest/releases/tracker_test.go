package releases_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unship.dev/ingest/releases"
)

func TestStories(t *testing.T) {
	for _, tt := range []struct {
		name, story string
		want        string
	}{
		{"one version for ever is no release", `0..600 1.0*3:60`, ``},
		{"versions within the first minute are initial", `0..600 1.0*3:60
			55..600 1.1*1:6`, ``},
		{"a later version is a release, replaced at once", `0..300 1.0*3:60
			300..900 1.1*3:60`, `
			300 1.1 was=1.0 since=300 last=305 unknown
			355 1.1 was=1.0 since=300 last=360 replaced`},
		{"rolling", `0..300 1.0*3:60
			300..350 1.0*2:40 1.1*1:20
			350..400 1.0*1:20 1.1*2:40
			400..900 1.1*3:60`, `
			300 1.1 was=1.0 since=300 last=305 unknown
			355 1.1 was=1.0 since=300 last=360 rolling`},
		{"canary kept then all", `0..300 1.0*9:180
			300..1200 1.0*9:162 1.1*1:18
			1200..1260 1.0*4:80 1.1*6:100
			1260..1600 1.1*10:180`, `
			300 1.1 was=1.0 since=300 last=305 unknown
			480 1.1 was=1.0 since=300 last=485 canary`},
		{"canary aborted", `0..300 1.0*9:180
			300..600 1.0*9:162 1.1*1:18
			600..1200 1.0*9:180`, `
			300 1.1 was=1.0 since=300 last=305 unknown
			480 1.1 was=1.0 since=300 last=485 canary
			655 1.1 was=1.0 since=300 last=600 canary`},
		{"blue green", `0..300 1.0*4:80
			300..400 1.0*4:80 1.1*4:0
			400..900 1.0*4:0 1.1*4:80
			900..1200 1.1*4:80`, `
			300 1.1 was=1.0 since=300 last=305 unknown
			445 1.1 was=1.0 since=300 last=450 blue_green`},
		{"restart", `0..300 1.0*3:60
			330..900 1.0*3:60`, ``},
		{"scale to zero and back", `0..300 1.0*3:60
			3900..4500 1.0*3:60`, ``},
		{"rollback after all was replaced", `0..300 1.0*3:60
			300..900 1.1*3:60
			900..1500 1.0*3:60`, `
			300 1.1 was=1.0 since=300 last=305 unknown
			355 1.1 was=1.0 since=300 last=360 replaced
			900 1.0 was=1.1 since=900 last=905 unknown rollback-of=1.1
			955 1.0 was=1.1 since=900 last=960 replaced rollback-of=1.1
			955 1.1 was=1.0 since=300 last=900 replaced`},
		{"rollback while a little of the old was left", `0..300 1.0*5:100
			300..600 1.0*1:8 1.1*4:92
			600..1200 1.0*5:100`, `
			300 1.1 was=1.0 since=300 last=305 unknown
			355 1.1 was=1.0 since=300 last=360 rolling
			645 1.0 was=1.1 since=600 last=650 unknown rollback-of=1.1
			655 1.0 was=1.1 since=600 last=660 replaced rollback-of=1.1
			655 1.1 was=1.0 since=300 last=600 rolling`},
		{"rolled out again after the rollback", `0..300 1.0*3:60
			300..600 1.1*3:60
			600..900 1.0*3:60
			900..1200 1.1*3:60`, `
			300 1.1 was=1.0 since=300 last=305 unknown
			355 1.1 was=1.0 since=300 last=360 replaced
			600 1.0 was=1.1 since=600 last=605 unknown rollback-of=1.1
			655 1.0 was=1.1 since=600 last=660 replaced rollback-of=1.1
			655 1.1 was=1.0 since=300 last=600 replaced
			900 1.1 was=1.0 since=900 last=905 unknown
			955 1.0 was=1.1 since=600 last=900 replaced rollback-of=1.1
			955 1.1 was=1.0 since=900 last=960 replaced`},
		{"flapping between two versions", `0..300 1.0*3:60
			300..2000 10 1.0*3:60
			305..2000 10 1.1*3:60`, `
			305 1.1 was=1.0 since=305 last=310 unknown
			485 1.1 was=1.0 since=305 last=490 canary`},
		{"one point a minute", `0..1200 60 1.0*3:0
			15..1200 60 1.0#b*2:0
			1230..3000 60 1.1*3:0`, `
			1230 1.1 was=1.0 since=1230 last=1235 unknown
			1290 1.1 was=1.0 since=1230 last=1295 replaced`},
		{"one point every five minutes, two offsets", `0..18000 300 1.0*3:0
			7350..18000 300 1.1*1:0`, `
			7350 1.1 was=1.0 since=7350 last=7355 unknown
			10050 1.1 was=1.0 since=7350 last=10055 canary`},
		{"thin traffic keeps a canary alive", `0..600 1.0*1:2
			600..3600 1.0*1:2
			600..3600 95 1.1*1:1`, `
			600 1.1 was=1.0 since=600 last=605 unknown
			790 1.1 was=1.0 since=600 last=795 canary`},
		{"third version while the second is rolling out", `0..300 1.0*4:80
			300..400 1.0*3:60 1.1*1:20
			400..500 1.0*2:40 1.1*1:20 1.2*1:20
			500..800 1.2*4:80`, `
			300 1.1 was=1.0 since=300 last=305 unknown
			355 1.1 was=1.0 since=300 last=360 rolling
			400 1.2 was=1.0 since=400 last=405 unknown
			455 1.2 was=1.0 since=400 last=460 rolling
			555 1.1 was=1.0 since=300 last=500 rolling`},
		{"build changes under one version", `0..300 latest/sha256:aaaaaaaaaaaaaaaa*2:40
			300..600 latest/sha256:bbbbbbbbbbbbbbbb*2:40
			600..900 latest/sha256:aaaaaaaaaaaaaaaa*2:40`, `
			300 latest (build bbbbbbb) was=latest since=300 last=305 unknown
			355 latest (build bbbbbbb) was=latest since=300 last=360 replaced
			600 latest was=latest (build bbbbbbb) since=600 last=605 unknown rollback-of=latest (build bbbbbbb)
			655 latest was=latest (build bbbbbbb) since=600 last=660 replaced rollback-of=latest (build bbbbbbb)
			655 latest (build bbbbbbb) was=latest since=300 last=600 replaced`},
		{"one image has two digests on two architectures", `0..300 1.0/sha256:aaaaaaaa*2:40
			300..330 1.1/sha256:bbbbbbbb*1:20 1.0/sha256:aaaaaaaa*1:20
			330..900 1.1/sha256:bbbbbbbb*1:20 1.1/sha256:cccccccc*1:20`, `
			300 1.1 was=1.0 since=300 last=305 unknown
			385 1.1 was=1.0 since=300 last=390 replaced`},
		{"build told by some telemetry only", `0..300 1.0*2:40
			100..300 10 1.0/9c0ffee*2:0
			300..900 10 1.0/9c0ffee*2:40
			305..900 10 1.0#1.09c0ffee*2:40`, ``},
		{"announced before and finished after", `0..300 1.0*3:60
			250 announce v1.1
			300..900 1.1*3:60
			700 announce 1.1 finished`, `
			300 1.1 was=1.0 since=300 last=305 unknown by=v1.1@250
			355 1.1 was=1.0 since=300 last=360 replaced by=v1.1@250
			700 1.1 was=1.0 since=300 last=705 replaced by=v1.1@250 finished`},
		{"announced after", `0..300 1.0*3:60
			300..900 1.1*3:60
			400 announce 1.1`, `
			300 1.1 was=1.0 since=300 last=305 unknown
			355 1.1 was=1.0 since=300 last=360 replaced
			400 1.1 was=1.0 since=300 last=405 replaced by=1.1@400`},
		{"announced alone opens nothing", `0..300 1.0*3:60
			200 announce 9.9`, ``},
		{"an announcement of the first time is not of the second", `0..300 1.0*3:60
			300 announce 1.1
			300..600 1.1*3:60
			600 announce 1.0 rollback
			600..900 1.0*3:60
			900..1000 1.1*3:60`, `
			300 1.1 was=1.0 since=300 last=305 unknown by=1.1@300
			355 1.1 was=1.0 since=300 last=360 replaced by=1.1@300
			600 1.0 was=1.1 since=600 last=605 unknown rollback-of=1.1 by=1.0@600
			655 1.0 was=1.1 since=600 last=660 replaced rollback-of=1.1 by=1.0@600
			655 1.1 was=1.0 since=300 last=600 replaced by=1.1@300
			900 1.1 was=1.0 since=900 last=905 unknown
			955 1.0 was=1.1 since=600 last=900 replaced rollback-of=1.1 by=1.0@600
			955 1.1 was=1.0 since=900 last=960 replaced`},
		{"another version in every tick", churn(100), `
			300 r0 was=1.0 since=300 last=305 unknown
			305 r1 was=1.0 since=305 last=310 unknown
			310 r2 was=1.0 since=310 last=315 unknown
			315 r3 was=1.0 since=315 last=320 unknown
			320 r4 was=1.0 since=320 last=325 unknown
			325 r5 was=1.0 since=325 last=330 unknown
			330 r6 was=1.0 since=330 last=335 unknown
			335 r7 was=1.0 since=335 last=340 unknown`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tell(t, releases.New(releases.Options{}), tt.story)
			if diff := cmp.Diff(lines(tt.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// churn is a story in which each tick has a version of its own.
func churn(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d..%d r%d*1:10\n", 300+5*i, 305+5*i, i)
	}
	return "0..300 1.0*3:60\n" + b.String()
}

func lines(s string) (out []string) {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
