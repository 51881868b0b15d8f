package dashboards

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Role is what a token's holder may do.
type Role string

// The roles.
const (
	RoleRead Role = "read"
	RoleAct  Role = "act" // read, and answer and announce too
)

// Token lets its holder in. The name stands in the audit trail.
type Token struct {
	Name   string
	Secret string
	Role   Role
}

// minSecret is the length of a secret below which guessing it is in reach.
const minSecret = 16

// access decides who may do what.
type access struct {
	tokens    []hashedToken
	openReads bool
	origin    *http.CrossOriginProtection
}

type hashedToken struct {
	name string
	role Role
	hash [sha256.Size]byte
}

func newAccess(tokens []Token, openReads bool) (access, error) {
	a := access{openReads: openReads, origin: http.NewCrossOriginProtection()}
	names := map[string]bool{}
	for i, t := range tokens {
		switch {
		case strings.TrimSpace(t.Name) == "":
			return a, fmt.Errorf("token %d has no name; name it after its holder", i+1)
		case names[t.Name]:
			return a, fmt.Errorf("two tokens are named %q; names tell holders apart", t.Name)
		case len(t.Secret) < minSecret:
			return a, fmt.Errorf("the secret of token %q has %d characters; want %d or more", t.Name, len(t.Secret), minSecret)
		case t.Role != RoleRead && t.Role != RoleAct:
			return a, fmt.Errorf("the role of token %q is %q; want read or act", t.Name, t.Role)
		}
		names[t.Name] = true
		a.tokens = append(a.tokens, hashedToken{t.Name, t.Role, sha256.Sum256([]byte(t.Secret))})
	}
	return a, nil
}

// holderKey finds in a request's context the name of the token that let it in.
type holderKey struct{}

func holder(ctx context.Context) string {
	name, _ := ctx.Value(holderKey{}).(string)
	return name
}

// require lets a request through to h if it may do what role allows.
func (a access) require(role Role, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if role == RoleAct {
			if err := a.origin.Check(r); err != nil {
				fail(w, http.StatusForbidden, "another site's page sent this request (%v); send it from this server's page or from a program", err)
				return
			}
		}
		switch {
		case role == RoleRead && a.openReads:
		case len(a.tokens) == 0:
			if why := notLocal(r); why != "" {
				fail(w, http.StatusForbidden, "no tokens are configured, so only this machine may ask, and %s; configure a token to reach it from elsewhere", why)
				return
			}
		default:
			t, ok := a.find(r.Header.Get("Authorization"))
			if !ok {
				w.Header().Set("WWW-Authenticate", `Bearer realm="unship"`)
				fail(w, http.StatusUnauthorized, "this needs a token; send it as: Authorization: Bearer TOKEN")
				return
			}
			if role == RoleAct && t.role != RoleAct {
				fail(w, http.StatusForbidden, "the token %q may read only; this needs one with the role act", t.name)
				return
			}
			r = r.WithContext(context.WithValue(r.Context(), holderKey{}, t.name))
		}
		h.ServeHTTP(w, r)
	})
}

// find compares with every token, so that the time taken tells nothing.
func (a access) find(authorization string) (found hashedToken, ok bool) {
	scheme, secret, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return found, false
	}
	hash := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	for _, t := range a.tokens {
		if subtle.ConstantTimeCompare(hash[:], t.hash[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}

// notLocal says why a request cannot be trusted to come from a person or
// program on this machine; "" if it can. The address alone does not do: a
// proxy on this machine forwards strangers, and a stranger's page can make a
// browser here ask under a name that it points at this machine.
func notLocal(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	addr, parseErr := netip.ParseAddr(host)
	if err != nil || parseErr != nil || !addr.Unmap().IsLoopback() {
		return "the request comes from " + cmp.Or(host, "an unknown address")
	}
	for name := range r.Header {
		if name == "Forwarded" || name == "Via" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			return "the request was forwarded by a proxy (" + name + ")"
		}
	}
	if !loopbackName(r.Host) {
		return "the request is addressed to " + r.Host
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host {
		return "the request comes from a page of " + origin
	}
	return ""
}

func loopbackName(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
