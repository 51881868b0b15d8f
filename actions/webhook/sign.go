package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"unship.dev/actions"
)

// The headers of a signed message.
const (
	HeaderTimestamp = "Unship-Timestamp" // Unix seconds at which it was signed
	HeaderSignature = "Unship-Signature" // v1=hex(HMAC-SHA256(secret, timestamp + "." + body))
)

const scheme = "v1="

// The reasons for which [Verify] refuses a message.
var (
	ErrUnsigned  = errors.New("message is not signed")
	ErrSignature = errors.New("signature is wrong")
	ErrStale     = errors.New("timestamp is too far from now")
)

// Sign adds timestamp and signature to the header of a message.
func Sign(secret actions.Secret, h http.Header, body []byte, now time.Time) {
	at := strconv.FormatInt(now.Unix(), 10)
	h.Set(HeaderTimestamp, at)
	h.Set(HeaderSignature, scheme+hex.EncodeToString(digest(secret, at, body)))
}

// Verify says whether a message comes from one who knows the secret, and was
// signed within tolerance of now (five minutes is usual). An older message may
// be one that somebody overheard and sends again. Within the tolerance, the key
// of idempotency makes a repeated message harmless.
//
// The signature header may hold several signatures, separated by commas, while
// a secret is being changed; one that fits is enough.
func Verify(secret actions.Secret, h http.Header, body []byte, now time.Time, tolerance time.Duration) error {
	if secret.Empty() {
		return errors.New("verify message: the secret is empty")
	}
	at, signatures := h.Get(HeaderTimestamp), h.Get(HeaderSignature)
	if at == "" || signatures == "" {
		return fmt.Errorf("verify message: %w: want the headers %s and %s", ErrUnsigned, HeaderTimestamp, HeaderSignature)
	}
	if !anyFits(signatures, digest(secret, at, body)) {
		return fmt.Errorf("verify message: %w", ErrSignature)
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return fmt.Errorf("verify message: %w: %q is no time", ErrStale, at)
	}
	if age := now.Sub(time.Unix(seconds, 0)).Abs(); age > tolerance {
		return fmt.Errorf("verify message: %w: by %v, allowed are %v", ErrStale, age.Round(time.Second), tolerance)
	}
	return nil
}

func anyFits(signatures string, want []byte) bool {
	fits := false
	for s := range strings.SplitSeq(signatures, ",") {
		text, ok := strings.CutPrefix(strings.TrimSpace(s), scheme)
		got, err := hex.DecodeString(text)
		fits = fits || ok && err == nil && hmac.Equal(got, want)
	}
	return fits
}

func digest(secret actions.Secret, at string, body []byte) []byte {
	mac := hmac.New(sha256.New, secret.Reveal())
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return mac.Sum(nil)
}
