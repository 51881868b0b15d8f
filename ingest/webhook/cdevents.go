package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	packageurl "github.com/package-url/packageurl-go"

	"unship.dev"
)

// typePrefix begins the type of every CDEvent: dev.cdevents.SUBJECT.PREDICATE.VERSION.
const typePrefix = "dev.cdevents."

// cdEvent holds the fields that announce a release. The rest of an event is not
// looked at, so that events of later specifications are understood.
type cdEvent struct {
	Context struct {
		ID        string `json:"id"`
		Source    string `json:"source"`
		Type      string `json:"type"`
		Timestamp string `json:"timestamp"`
	} `json:"context"`
	Subject struct {
		ID      string `json:"id"`
		Content struct {
			Environment struct {
				ID string `json:"id"`
			} `json:"environment"`
			ArtifactID string `json:"artifactId"`
		} `json:"content"`
	} `json:"subject"`
}

// parseCDEvent reads an event in the CDEvents format.
func parseCDEvent(body []byte, env envelope, now time.Time) (a *unship.Announcement, ignored string, mistakes []string) {
	var e cdEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, "", []string{"the event is not a CDEvent: " + err.Error()}
	}
	subject, predicate, ok := splitType(e.Context.Type)
	if !ok {
		return nil, "", []string{fmt.Sprintf("context.type is %q; want one such as dev.cdevents.service.deployed.0.2.0", shorten(e.Context.Type))}
	}
	if subject != "service" || !announcing(predicate, e.Subject.Content.ArtifactID) {
		return nil, fmt.Sprintf("%s announces no version of a service", shorten(e.Context.Type)), nil
	}
	return e.announcement(predicate, env, now)
}

func (e *cdEvent) announcement(predicate string, env envelope, now time.Time) (*unship.Announcement, string, []string) {
	a := &unship.Announcement{ID: e.Context.ID, At: env.at(now), By: e.Context.Source,
		Rollback: predicate == "rolledback", Finished: predicate == "published"}
	if a.ID == "" {
		a.ID = env.ID
	}
	if strings.HasPrefix(e.Context.Source, "https://") || strings.HasPrefix(e.Context.Source, "http://") {
		a.URL = e.Context.Source
	}
	a.Namespace, a.Name = splitName(e.Subject.ID)
	a.Environment = e.Subject.Content.Environment.ID
	var mistakes []string
	if e.Context.Timestamp != "" {
		at, err := time.Parse(time.RFC3339, e.Context.Timestamp)
		if err != nil {
			mistakes = append(mistakes, fmt.Sprintf("context.timestamp is %q; want a time as RFC 3339", shorten(e.Context.Timestamp)))
		}
		a.At = at.UTC()
	}
	version, err := versionOf(e.Subject.Content.ArtifactID)
	if err != nil {
		mistakes = append(mistakes, err.Error())
	}
	a.Version = version
	return a, "", mistakes
}

// announcing says whether an event about a service names a version that serves.
// That a service was published or removed says so only where an artifact is named with it.
func announcing(predicate, artifact string) bool {
	switch predicate {
	case "deployed", "upgraded", "rolledback":
		return true
	case "published":
		return artifact != ""
	}
	return false
}

func splitType(t string) (subject, predicate string, ok bool) {
	rest, ok := strings.CutPrefix(t, typePrefix)
	parts := strings.SplitN(rest, ".", 3)
	if !ok || len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return "", "", false
	}
	return strings.ToLower(parts[0]), strings.ToLower(parts[1]), true
}

// splitName takes "shop/ledger" apart at the last slash.
func splitName(id string) (namespace, name string) {
	id = strings.Trim(strings.TrimSpace(id), "/")
	if i := strings.LastIndexByte(id, '/'); i >= 0 {
		return id[:i], id[i+1:]
	}
	return "", id
}

// versionOf reads the version from a package URL: people name versions by tag,
// so a tag is taken before a digest.
func versionOf(artifact string) (string, error) {
	if artifact == "" {
		return "", fmt.Errorf("subject.content.artifactId is missing; want a package URL such as pkg:oci/ledger@sha256:…?tag=1.1.0")
	}
	p, err := packageurl.FromString(artifact)
	if err != nil {
		return "", fmt.Errorf("subject.content.artifactId %q is not a package URL: %w; want one such as pkg:oci/ledger@sha256:…?tag=1.1.0", shorten(artifact), err)
	}
	if tag := p.Qualifiers.Map()["tag"]; tag != "" {
		return tag, nil
	}
	if p.Version == "" {
		return "", fmt.Errorf("subject.content.artifactId %q has no version; add it behind an @ or as ?tag=", shorten(artifact))
	}
	return p.Version, nil
}
