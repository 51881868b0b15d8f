package actions

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

const hidden = "[hidden]"

// Secret is a value that shows itself only to [Secret.Reveal]: fmt, JSON, YAML
// and slog get a placeholder.
type Secret struct{ value []byte }

// NewSecret hides value.
func NewSecret(value string) Secret { return Secret{[]byte(value)} }

// Reveal gives the value itself.
func (s Secret) Reveal() []byte { return s.value }

// Empty says that there is no secret.
func (s Secret) Empty() bool { return len(s.value) == 0 }

// Format hides the value from every verb of fmt.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText hides the value from JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue hides the value from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// SecretSource is where settings say that a secret is: in an environment
// variable or in a file. Settings never hold the secret itself.
type SecretSource struct {
	Env  string `yaml:"env"`
	File string `yaml:"file"`
}

// Read fetches the secret. White space around it is cut. An empty one is an error.
func (s SecretSource) Read() (Secret, error) {
	value, from, err := s.fetch()
	if err != nil {
		return Secret{}, err
	}
	if value = bytes.TrimSpace(value); len(value) == 0 {
		return Secret{}, fmt.Errorf("%s is empty; set the secret there", from)
	}
	return Secret{value}, nil
}

func (s SecretSource) fetch() (value []byte, from string, err error) {
	switch {
	case s.Env != "" && s.File != "":
		return nil, "", errors.New("both env and file are given; keep one")
	case s.Env != "":
		return []byte(os.Getenv(s.Env)), "environment variable " + s.Env, nil
	case s.File != "":
		value, err = os.ReadFile(s.File)
		return value, "file " + s.File, err
	}
	return nil, "", errors.New("is missing; name an environment variable (env) or a file (file) that holds it")
}
