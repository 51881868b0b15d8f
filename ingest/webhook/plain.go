package webhook

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"unship.dev"
)

// plainFields are the fields of the plain form, for the message about another.
const plainFields = "service, version, environment, namespace, at, by, url, revision, rollback, finished, schema_rev, id, change, name, value, was"

// parsePlain reads the form for shell scripts. A field it does not know is a
// mistake: it may be a misspelt one.
func parsePlain(keys map[string]json.RawMessage, env envelope, now time.Time) (*unship.Announcement, []string) {
	a := &unship.Announcement{ID: env.ID, At: env.at(now)}
	text := map[string]*string{
		"service": &a.Name, "version": &a.Version, "environment": &a.Environment, "namespace": &a.Namespace,
		"by": &a.By, "url": &a.URL, "revision": &a.Revision, "schema_rev": &a.SchemaRev, "id": &a.ID,
		"change": (*string)(&a.Change.Kind), "name": &a.Change.Name, "value": &a.Change.Value, "was": &a.Change.Was,
	}
	flags := map[string]*bool{"rollback": &a.Rollback, "finished": &a.Finished}
	var mistakes []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		var err error
		raw, what := keys[key], "a string"
		switch {
		case text[key] != nil:
			err = json.Unmarshal(raw, text[key])
		case flags[key] != nil:
			what = "true or false"
			err = json.Unmarshal(raw, flags[key])
		case key == "at":
			what = `a time as RFC 3339, such as "2026-03-02T09:00:00Z"`
			err = json.Unmarshal(raw, &a.At)
		default:
			mistakes = append(mistakes, fmt.Sprintf("%q is not known; have %s", shorten(key), plainFields))
			continue
		}
		if err != nil || string(raw) == "null" {
			mistakes = append(mistakes, fmt.Sprintf("%s is %s; want %s", key, shorten(string(raw)), what))
		}
	}
	a.At = a.At.UTC()
	a.Name, a.Version = strings.TrimSpace(a.Name), strings.TrimSpace(a.Version)
	switch _, changes := keys["change"]; {
	case len(mistakes) > 0 && changes:
		mistakes = append(mistakes, missing(keys, "service", "name")...)
	case len(mistakes) > 0:
		mistakes = append(mistakes, missing(keys, "service", "version")...)
	}
	return a, mistakes
}

// missing names the fields that are not there at all, beside other mistakes.
func missing(keys map[string]json.RawMessage, names ...string) (mistakes []string) {
	for _, n := range names {
		if _, ok := keys[n]; !ok {
			mistakes = append(mistakes, n+" is missing")
		}
	}
	return mistakes
}

// shorten cuts what is quoted back to the sender.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// checkChange names what cannot be in the announcement of a change without a new version.
func checkChange(a unship.Announcement) (mistakes []string) {
	switch a.Change.Kind {
	case unship.ChangeFlag, unship.ChangeConfig, unship.ChangeInfrastructure:
	case "":
		mistakes = append(mistakes, `change is missing; name, value and was belong to one: flag, config or infrastructure`)
	default:
		mistakes = append(mistakes, fmt.Sprintf("change is %q; want flag, config or infrastructure", shorten(string(a.Change.Kind))))
	}
	if strings.TrimSpace(a.Change.Name) == "" {
		mistakes = append(mistakes, `name is missing; give what changed in "name"`)
	}
	for _, x := range []struct {
		field string
		given bool
	}{{"version", a.Version != ""}, {"rollback", a.Rollback}, {"finished", a.Finished}, {"schema_rev", a.SchemaRev != ""}} {
		if x.given {
			mistakes = append(mistakes, x.field+" does not belong to a change without a new version")
		}
	}
	return mistakes
}
