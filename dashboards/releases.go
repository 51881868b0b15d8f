package dashboards

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"unship.dev"
	"unship.dev/decide/journal"
)

// maxWait bounds one request of the gate; a pipeline that waits longer asks again.
const maxWait = 10 * time.Minute

type releaseList struct {
	Releases []unship.ReleaseReport `json:"releases"`
}

func (s *Server) listReleases(w http.ResponseWriter, r *http.Request) {
	f, err := readFilter(r)
	if err != nil || f.Status != "" {
		if err == nil {
			err = fmt.Errorf("releases have no status; leave it out")
		}
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	list, err := s.opt.Source.Releases(r.Context(), f)
	if err != nil {
		s.broken(w, r, "read the releases", err)
		return
	}
	s.replyTagged(w, r, releaseList{orEmpty(list)})
}

// gateQuestion is which release a pipeline asks about. An empty environment or
// namespace stands for any.
type gateQuestion struct {
	unship.ReleaseID
	wait time.Duration
}

// GateAnswer is what a pipeline is told about a release.
type GateAnswer struct {
	Verdict unship.Verdict        `json:"verdict"`
	Why     string                `json:"why"`
	Release *unship.ReleaseReport `json:"release,omitempty"`
}

// final says that waiting longer changes nothing.
func (g GateAnswer) final() bool {
	return g.Verdict == unship.Healthy || g.Verdict == unship.Regressed || g.Release != nil && g.Release.Done
}

func readGate(q url.Values) (g gateQuestion, err error) {
	g.Environment, g.Namespace = q.Get("environment"), q.Get("namespace")
	g.Name, g.Version = q.Get("service"), q.Get("version")
	if g.Name == "" || g.Version == "" {
		return g, fmt.Errorf("service and version are needed: ?service=ledger&version=1.1.0")
	}
	if namespace, name, both := strings.Cut(g.Name, "/"); both && g.Namespace == "" {
		g.Namespace, g.Name = namespace, name
	}
	if v := q.Get("wait"); v != "" {
		g.wait, err = time.ParseDuration(v)
		if err != nil || g.wait < 0 || g.wait > maxWait {
			return g, fmt.Errorf("wait is %q; want a time from 0s to %v, such as 90s; to wait longer, ask again", v, maxWait)
		}
	}
	return g, nil
}

// gateRelease answers once the release is known to be healthy or regressed, or
// its watch is over, and otherwise at the end of the wait with what is known.
func (s *Server) gateRelease(w http.ResponseWriter, r *http.Request) {
	question, err := readGate(r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	// The server may bound how long writing takes; this answer comes late by intent.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(question.wait + writeWithin))
	changed, stop := s.opt.Subscribe()
	defer stop()
	ctx, cancel := context.WithTimeout(r.Context(), question.wait)
	defer cancel()
	for {
		fits, err := s.fitting(r.Context(), question.ReleaseID)
		if err != nil {
			s.broken(w, r, "read the releases", err)
			return
		}
		if len(fits) > 1 {
			ambiguous(w, question.ReleaseID, fits)
			return
		}
		answer := answerOf(question.ReleaseID, fits)
		if answer.final() || !waitChange(ctx, changed) {
			s.reply(w, r, http.StatusOK, answer)
			return
		}
	}
}

// waitChange waits for the next change; false when there is no time left.
func waitChange(ctx context.Context, changed <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return false
	case <-changed:
		return true
	}
}

func (s *Server) fitting(ctx context.Context, id unship.ReleaseID) ([]unship.ReleaseReport, error) {
	list, err := s.opt.Source.Releases(ctx, journal.Filter{Environment: id.Environment, Service: id.Name})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(r unship.ReleaseReport) bool {
		return r.Service != id.Name || r.Version != id.Version ||
			id.Environment != "" && r.Environment != id.Environment ||
			id.Namespace != "" && r.Namespace != id.Namespace
	}), nil
}

func answerOf(id unship.ReleaseID, fits []unship.ReleaseReport) GateAnswer {
	if len(fits) == 0 {
		return GateAnswer{Why: fmt.Sprintf("no release %s has been seen; check the spelling, and that its telemetry carries service.version", id)}
	}
	return GateAnswer{Verdict: fits[0].Verdict, Why: fits[0].Why, Release: &fits[0]}
}

// candidate names one of several releases that fit a question.
type candidate struct {
	Environment string `json:"environment"`
	Namespace   string `json:"namespace"`
	Service     string `json:"service"`
	Version     string `json:"version"`
}

func ambiguous(w http.ResponseWriter, id unship.ReleaseID, fits []unship.ReleaseReport) {
	var list []candidate
	var words []string
	for _, f := range fits {
		list = append(list, candidate{f.Environment, f.Namespace, f.Service, f.Version})
		words = append(words, fmt.Sprintf("namespace %q in environment %q", f.Namespace, f.Environment))
	}
	failWith(w, http.StatusConflict, problem{
		Error: fmt.Sprintf("%d releases are called %s: %s; add namespace= or environment=",
			len(fits), id, strings.Join(words, ", ")),
		Candidates: list,
	})
}
