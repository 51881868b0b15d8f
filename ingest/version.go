package ingest

import "strings"

const (
	shortRevision = 12 // hex digits of a commit that are kept
	shortDigest   = 12 // hex digits of a digest that are kept
	maxVersion    = 80 // bytes
)

// unknownVersion stands for a release of which nothing tells the version.
const unknownVersion = "unknown"

// NormalizeVersion reduces the ways in which one version is written to one, so
// that one release is not taken for several:
//
//	1.4.2, shop/cart:1.4.2, host:5000/cart:1.4.2@sha256:ab…, 1.4.2@sha256:ab…  → 1.4.2
//	sha256:abcdef…, cart@sha256:abcdef…, the 64 digits alone                   → sha256:abcdef012345
//	a full commit of 40 digits                                                 → its first 12
//
// Everything else stays as it is, but for space around it and its length. A
// name that tells no version, such as "latest" or an unfilled "${VERSION}",
// gives the digest beside it, else "".
func NormalizeVersion(raw string) string {
	v := raw
	for { // each round shortens the text, so that it ends
		next := normalizeOnce(v)
		if next == v {
			return v
		}
		v = next
	}
}

func normalizeOnce(v string) string {
	v = strings.TrimSpace(v)
	if placeholder(v) {
		return ""
	}
	v, digest := splitDigest(v)
	v = imageTag(v, digest != "")
	if placeholder(v) {
		return digest
	}
	if len(v) == 40 && isHex(v) {
		return strings.ToLower(v[:shortRevision])
	}
	return strings.TrimSpace(cut(v, maxVersion))
}

// splitDigest takes a digest off the end of an image reference.
func splitDigest(v string) (rest, digest string) {
	at := strings.LastIndexByte(v, '@')
	if d := imageDigest(v[at+1:]); d != "" {
		return v[:max(at, 0)], d
	}
	return v, ""
}

// imageDigest shortens "sha256:<64 digits>" or 64 digits alone; "" if it is neither.
// A digest that was shortened before stays.
func imageDigest(s string) string {
	algorithm, hex, ok := strings.Cut(s, ":")
	if !ok {
		algorithm, hex = "sha256", s
	}
	switch {
	case algorithm != "sha256" && algorithm != "sha512", !isHex(hex):
		return ""
	case len(hex) == 64, len(hex) == 128, ok && len(hex) == shortDigest:
		return algorithm + ":" + strings.ToLower(hex[:shortDigest])
	}
	return ""
}

// imageTag takes the tag out of "host:port/name:tag". Beside a digest, and only
// there, a text without a digit is the image's name and no tag. A slash alone
// may well be part of a version ("release/1.2"); a path whose begin looks like a
// host is an image without a tag.
func imageTag(v string, withDigest bool) string {
	slash := strings.LastIndexByte(v, '/')
	last := v[slash+1:]
	if name, tag, ok := strings.Cut(last, ":"); ok && imageName(name) && !strings.Contains(tag, ":") {
		return strings.TrimSpace(tag)
	}
	if slash >= 0 && (withDigest || strings.ContainsAny(v[:slash], ".:")) {
		return ""
	}
	if withDigest && !strings.ContainsAny(v, "0123456789") {
		return ""
	}
	return v
}

// imageName says that s can be the last part of an image's name: lower case,
// beginning with a letter. Digest algorithms are not.
func imageName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if ('a' > c || c > 'z') && (i == 0 || ('0' > c || c > '9') && c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return s != "" && s != "sha256" && s != "sha512"
}

// placeholder says that v tells no version: a variable that was not filled in,
// or a name that stays while builds change. "1.2-SNAPSHOT" is none: it does
// tell versions apart, and Window.Build tells its builds apart.
func placeholder(v string) bool {
	switch strings.ToLower(v) {
	case "", "unknown", "unset", "undefined", "unspecified", "none", "null", "nil", "n/a", "na", "-",
		"latest", "$latest", "dev", "development", "devel", "(devel)", "local", "version", "todo", "changeme",
		"main", "master", "head", "trunk", "stable", "edge", "nightly":
		return true
	}
	for _, mark := range []string{"${", "$(", "{{", "<%"} {
		if strings.Contains(v, mark) {
			return true
		}
	}
	return len(v) > 2 && (v[0] == '%' && v[len(v)-1] == '%' || v[0] == '@' && v[len(v)-1] == '@' ||
		v[0] == '<' && v[len(v)-1] == '>')
}

func isHex(s string) bool {
	for i := range len(s) {
		if !hexDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

func hexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// podHash gives the part of a ReplicaSet's or a pod's name that changes with
// each new pod template: "5c66d57d58" of "cart-5c66d57d58-zxw8n".
func podHash(replicaset, pod, deployment string) string {
	if rest, ok := strings.CutPrefix(replicaset, deployment+"-"); ok && deployment != "" {
		return rest
	}
	if replicaset != "" {
		return replicaset[strings.LastIndexByte(replicaset, '-')+1:]
	}
	rest, ok := strings.CutPrefix(pod, deployment+"-")
	if !ok || deployment == "" {
		return ""
	}
	hash, suffix, ok := strings.Cut(rest, "-")
	if !ok || len(suffix) != 5 || strings.Contains(suffix, "-") {
		return ""
	}
	return hash
}
