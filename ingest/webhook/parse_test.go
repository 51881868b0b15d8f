package webhook_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unship.dev"
	"unship.dev/ingest/webhook"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// cdEvent makes an event about the service shop/ledger.
func cdEvent(eventType, artifact string) string {
	return fmt.Sprintf(`{"context":{"version":"0.4.1","id":"run-7","source":"https://ci.example/run/7","type":%q,"timestamp":"2026-03-02T10:30:00+01:00"},
		"subject":{"id":"shop/ledger","type":"service","content":{"environment":{"id":"production"},"artifactId":%q}}}`, eventType, artifact)
}

func ledger(version string) unship.Announcement {
	a := unship.Announcement{ID: "run-7", At: now.Add(30 * time.Minute), By: "https://ci.example/run/7", URL: "https://ci.example/run/7"}
	a.Environment, a.Namespace, a.Name, a.Version = "production", "shop", "ledger", version
	return a
}

func TestCDEvents(t *testing.T) {
	rolledBack, published := ledger("1.0.0"), ledger("1.1.0")
	rolledBack.Rollback, published.Finished = true, true
	for _, tt := range []struct {
		name, body string
		want       []unship.Announcement
	}{
		{"deployed with a version", cdEvent("dev.cdevents.service.deployed.0.1.1", "pkg:oci/ledger@1.1.0"), []unship.Announcement{ledger("1.1.0")}},
		{"upgraded, a tag beside the digest", cdEvent("dev.cdevents.service.upgraded.0.2.0", "pkg:oci/ledger@sha256%3Aab12?tag=1.1.0"), []unship.Announcement{ledger("1.1.0")}},
		{"a digest alone", cdEvent("dev.cdevents.service.deployed.0.3.0", "pkg:oci/ledger@sha256%3Aab12"), []unship.Announcement{ledger("sha256:ab12")}},
		{"a later version of the event", cdEvent("dev.cdevents.service.deployed.7.0.0", "pkg:oci/ledger@1.1.0"), []unship.Announcement{ledger("1.1.0")}},
		{"rolled back", cdEvent("dev.cdevents.service.rolledback.0.2.0", "pkg:oci/ledger@1.0.0"), []unship.Announcement{rolledBack}},
		{"published with its artifact", cdEvent("dev.cdevents.service.published.0.2.0", "pkg:oci/ledger@1.1.0"), []unship.Announcement{published}},
		{"published without", cdEvent("dev.cdevents.service.published.0.2.0", ""), nil},
		{"removed", cdEvent("dev.cdevents.service.removed.0.2.0", ""), nil},
		{"of something else", cdEvent("dev.cdevents.pipelinerun.started.0.2.0", ""), nil},
		{"a batch", "[" + cdEvent("dev.cdevents.service.deployed.0.2.0", "pkg:oci/ledger@1.1.0") + "," + cdEvent("dev.cdevents.change.merged.0.2.0", "") + "]",
			[]unship.Announcement{ledger("1.1.0")}},
		{"inside a CloudEvent", `{"specversion":"1.0","id":"outer","type":"dev.cdevents.service.deployed.0.2.0","source":"/ci","data":` +
			cdEvent("dev.cdevents.service.deployed.0.2.0", "pkg:oci/ledger@1.1.0") + `}`, []unship.Announcement{ledger("1.1.0")}},
		{"inside a CloudEvent as base64", `{"specversion":"1.0","id":"outer","type":"x","data_base64":"` +
			base64.StdEncoding.EncodeToString([]byte(cdEvent("dev.cdevents.service.deployed.0.2.0", "pkg:oci/ledger@1.1.0"))) + `"}`, []unship.Announcement{ledger("1.1.0")}},
		{"a CloudEvent of something else", `{"specversion":"1.0","id":"outer","type":"dev.cdevents.build.queued.0.2.0"}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := webhook.Parse("application/cloudevents+json; charset=utf-8", []byte(tt.body), now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" && len(tt.want)+len(got) > 0 {
				t.Error(diff)
			}
		})
	}
}

func TestPlain(t *testing.T) {
	want := unship.Announcement{ID: "42", At: now.Add(-time.Hour), By: "ann", URL: "https://ci.example/42", Revision: "4f2a91c", Rollback: true, Finished: true, SchemaRev: "17"}
	want.Environment, want.Namespace, want.Name, want.Version = "production", "shop", "ledger", "1.1.0"
	got, err := webhook.Parse("", []byte(`{"service":"ledger","version":" 1.1.0 ","environment":"production","namespace":"shop","at":"2026-03-02T08:00:00Z",
		"by":"ann","url":"https://ci.example/42","revision":"4f2a91c","rollback":true,"finished":true,"schema_rev":"17","id":"42"}`), now)
	if diff := cmp.Diff([]unship.Announcement{want}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestChangesWithoutAVersion(t *testing.T) {
	want := unship.Announcement{ID: "7", At: now, Change: unship.Change{Kind: unship.ChangeFlag, Name: "new-rates", Value: "on", Was: "off"}}
	want.Name = "ledger"
	got, err := webhook.Parse("", []byte(`{"service":"ledger","change":"flag","name":"new-rates","value":"on","was":"off","id":"7"}`), now)
	if diff := cmp.Diff([]unship.Announcement{want}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for body, mistake := range map[string]string{
		`{"service":"ledger","change":"mood","name":"x"}`:                 `change is "mood"; want flag, config or infrastructure`,
		`{"service":"ledger","change":"config"}`:                          `name is missing`,
		`{"service":"ledger","name":"x","value":"on"}`:                    `change is missing`,
		`{"service":"ledger","version":"1","change":"config","name":"x"}`: `version does not belong`,
		`{"change":"config","name":"x"}`:                                  `service is missing`,
	} {
		if _, err := webhook.Parse("", []byte(body), now); err == nil || !strings.Contains(err.Error(), mistake) {
			t.Errorf("%s: error %v; want %q", body, err, mistake)
		}
	}
}

func TestTheSameTwiceHasOneID(t *testing.T) {
	first, err1 := webhook.Parse("application/json", []byte(`{"service":"ledger","version":"1.1.0"}`), now)
	again, err2 := webhook.Parse("application/json", []byte(`{ "service": "ledger", "version": "1.1.0" }`), now.Add(time.Minute))
	other, err3 := webhook.Parse("application/json", []byte(`{"service":"ledger","version":"1.1.1"}`), now)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if first[0].ID != again[0].ID || first[0].ID == other[0].ID || first[0].ID == "" {
		t.Errorf("ids %q, again %q, of another %q", first[0].ID, again[0].ID, other[0].ID)
	}
	if !first[0].At.Equal(now) {
		t.Errorf("at %v, want now", first[0].At)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, tt := range []struct {
		name, contentType, body string
		want                    []string
	}{
		{"misspelt, of a wrong type and missing, all at once", "application/json", `{"servce":"ledger","version":7,"rollback":"yes","at":"today"}`,
			[]string{`"servce" is not known`, "version is 7; want a string", "rollback is", "at is", "service is missing"}},
		{"nothing in it", "application/json", `{}`, []string{"service is missing", "version is missing"}},
		{"null", "application/json", `{"service":null,"version":"1"}`, []string{"service is null"}},
		{"no JSON", "application/json", `service=ledger`, []string{"not JSON"}},
		{"empty", "application/json", ``, []string{"not JSON"}},
		{"a string", "application/json", `"ledger"`, []string{"want a JSON object"}},
		{"not UTF-8", "application/json", "{\"service\":\"\xff\"}", []string{"UTF-8"}},
		{"a form", "application/x-www-form-urlencoded", `{"service":"ledger","version":"1"}`, []string{"Content-Type: application/json"}},
		{"control characters", "application/json", `{"service":"led\u001bger","version":"1"}`, []string{"service contains a control character"}},
		{"a name without end", "application/json", `{"service":"` + strings.Repeat("x", 300) + `","version":"1"}`, []string{"service is 300 bytes"}},
		{"the year 9999", "application/json", `{"service":"ledger","version":"1","at":"9999-01-01T00:00:00Z"}`, []string{"not between"}},
		{"no artifact", "application/json", cdEvent("dev.cdevents.service.deployed.0.2.0", ""), []string{"artifactId is missing"}},
		{"no package URL", "application/json", cdEvent("dev.cdevents.service.deployed.0.2.0", "ledger:1.1.0"), []string{"not a package URL"}},
		{"no version in it", "application/json", cdEvent("dev.cdevents.service.deployed.0.2.0", "pkg:oci/ledger"), []string{"has no version"}},
		{"no type", "application/json", cdEvent("deployed", "pkg:oci/ledger@1"), []string{"context.type"}},
		{"one of a batch", "application/json", `[{"service":"ledger","version":"1"},{"service":"ledger"}]`, []string{"event 2: version is missing"}},
		{"an envelope in an envelope", "application/json", `{"specversion":"1.0","data":{"specversion":"1.0","data":{}}}`, []string{`"specversion" is not known`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := webhook.Parse(tt.contentType, []byte(tt.body), now)
			if err == nil {
				t.Fatalf("accepted as %+v", got)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
		})
	}
}

func TestWithoutAClockTheTimeHasToBeThere(t *testing.T) {
	if _, err := webhook.Parse("", []byte(`{"service":"ledger","version":"1"}`), time.Time{}); err == nil {
		t.Error("accepted without a time")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(cdEvent("dev.cdevents.service.deployed.0.2.0", "pkg:oci/ledger@sha256%3Aab12?tag=1.1.0")))
	f.Add([]byte(cdEvent("dev.cdevents.service.deployed.0.2.0", "pk"))) // packageurl-go 0.1.1 panicked
	f.Add([]byte(`{"service":"ledger","version":"1.1.0","at":"2026-03-02T08:00:00Z"}`))
	f.Add([]byte(`[{"specversion":"1.0","id":"a","type":"x","data":{"service":"a","version":"b"}}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := webhook.Parse("application/json", body, now)
		again, _ := webhook.Parse("application/json", body, now)
		if !cmp.Equal(got, again) {
			t.Error("the same body was understood in two ways")
		}
		for _, a := range got {
			if err != nil || a.Name == "" || a.Version == "" || a.ID == "" || a.At.IsZero() {
				t.Errorf("accepted %+v with error %v", a, err)
			}
		}
	})
}
