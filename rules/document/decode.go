package document

import (
	"bytes"
	"encoding"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Bytes is a size, written as 512MiB, 64KiB, 1GiB or a plain number of bytes.
type Bytes int64

// Secret is text that never shows itself: in logs, in JSON, in an effective
// configuration it reads "(secret)".
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal gives the text itself.
func (s Secret) Reveal() string { return string(s) }

// Raw is a part of the file that somebody else decodes: YAML with environment
// variables replaced, and the line at which it begins.
type Raw struct {
	Text  []byte
	Line  int
	Shown []byte // the same with environment variables as they were written, for showing
}

var secretKey = regexp.MustCompile(`(?im)^(\s*-?\s*["']?[a-z_]*(?:secret|token|password|authorization)["']?\s*:\s*)(\S.*)$`)

// Masked is the part as it was written, the values of keys that sound secret
// hidden unless they name an environment variable.
func (r Raw) Masked() []byte {
	return secretKey.ReplaceAllFunc(r.Shown, func(line []byte) []byte {
		value := secretKey.FindSubmatch(line)[2]
		if bytes.Contains(value, []byte("${env:")) || value[0] == '{' { // only named: a variable, or {env: …} and {file: …}
			return line
		}
		return secretKey.ReplaceAll(line, []byte("${1}(secret)"))
	})
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	bytesType    = reflect.TypeFor[Bytes]()
	rawType      = reflect.TypeFor[Raw]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func pointee(into any) reflect.Value { return reflect.ValueOf(into).Elem() }

// value decodes n, found at path, into v.
func (d *Document) value(n ast.Node, path string, v reflect.Value) {
	n = bare(n)
	d.places[path] = n.GetToken()
	switch {
	case v.Type() == rawType:
		d.raw(n, path, v)
	case v.Type() == durationType:
		d.duration(n, path, v)
	case v.Type() == bytesType:
		d.bytes(n, path, v)
	case reflect.PointerTo(v.Type()).Implements(textType):
		d.text(n, path, v)
	default:
		d.kind(n, path, v)
	}
}

func (d *Document) kind(n ast.Node, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, path, v)
	case reflect.Slice:
		d.list(n, path, v)
	case reflect.String:
		if s, ok := d.scalar(n, path, "a text"); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		d.boolean(n, path, v)
	case reflect.Int, reflect.Int64:
		d.integer(n, path, v)
	case reflect.Float64:
		d.number(n, path, v)
	default:
		panic(fmt.Sprintf("document: cannot decode into %s at %s", v.Type(), path))
	}
}

func (d *Document) structure(n ast.Node, path string, v reflect.Value) {
	entries, ok := mapping(n)
	if !ok {
		d.wrong(n.GetToken(), path, "is %s; want a mapping with %s", describe(n), strings.Join(keysOf(v.Type()), ", "))
		return
	}
	for _, e := range entries {
		key := e.Key.String()
		field, found := fieldOf(v, key)
		if !found {
			d.wrong(e.Key.GetToken(), join(path, key), "is not known here; want %s", strings.Join(keysOf(v.Type()), ", "))
			continue
		}
		if isNull(e.Value) {
			d.wrong(e.Key.GetToken(), join(path, key), "has no value; give one or leave the key out")
			continue
		}
		d.value(e.Value, join(path, key), field)
	}
}

func (d *Document) list(n ast.Node, path string, v reflect.Value) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.wrong(n.GetToken(), path, "is %s; want a list", describe(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, item := range seq.Values {
		if d, ok := out.Index(i).Addr().Interface().(interface{ Defaults() }); ok {
			d.Defaults()
		}
		d.value(item, fmt.Sprintf("%s[%d]", path, i), out.Index(i))
	}
	v.Set(out)
}

func (d *Document) boolean(n ast.Node, path string, v reflect.Value) {
	s, ok := d.scalar(n, path, "true or false")
	if !ok {
		return
	}
	switch s {
	case "true":
		v.SetBool(true)
	case "false":
		v.SetBool(false)
	default:
		d.wrong(n.GetToken(), path, "is %q; want true or false", s)
	}
}

func (d *Document) integer(n ast.Node, path string, v reflect.Value) {
	s, ok := d.scalar(n, path, "a whole number")
	if !ok {
		return
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		d.wrong(n.GetToken(), path, "is %q; want a whole number", s)
		return
	}
	v.SetInt(i)
}

func (d *Document) number(n ast.Node, path string, v reflect.Value) {
	s, ok := d.scalar(n, path, "a number")
	if !ok {
		return
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		d.wrong(n.GetToken(), path, "is %q; want a number", s)
		return
	}
	v.SetFloat(f)
}

func (d *Document) duration(n ast.Node, path string, v reflect.Value) {
	s, ok := d.scalar(n, path, "a duration such as 30s")
	if !ok {
		return
	}
	t, err := time.ParseDuration(s)
	if err != nil {
		d.wrong(n.GetToken(), path, "is %q; want a duration with its unit, such as 30s, 10m or 24h", s)
		return
	}
	v.SetInt(int64(t))
}

func (d *Document) bytes(n ast.Node, path string, v reflect.Value) {
	s, ok := d.scalar(n, path, "a size such as 64MiB")
	if !ok {
		return
	}
	b, err := parseBytes(s)
	if err != nil {
		d.wrong(n.GetToken(), path, "is %q; want a size such as 512KiB, 64MiB or 1GiB", s)
		return
	}
	v.SetInt(int64(b))
}

func (d *Document) text(n ast.Node, path string, v reflect.Value) {
	s, ok := d.scalar(n, path, "a text")
	if !ok {
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		d.wrong(n.GetToken(), path, "is %q; %v", s, err)
	}
}

func (d *Document) raw(n ast.Node, path string, v reflect.Value) {
	if _, ok := mapping(n); !ok {
		d.wrong(n.GetToken(), path, "is %s; want a mapping", describe(n))
		return
	}
	shown := []byte(n.String() + "\n")
	d.expandAll(n, path)
	start := n.GetToken().Position.Line
	if entries, _ := mapping(n); len(entries) > 0 {
		start = entries[0].Key.GetToken().Position.Line
	}
	v.Set(reflect.ValueOf(Raw{Text: []byte(n.String() + "\n"), Line: start, Shown: shown}))
}

// fieldOf finds the field whose yaml tag is key, in v or in structs embedded in it.
func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	for _, f := range reflect.VisibleFields(v.Type()) {
		if !f.Anonymous && f.Tag.Get("yaml") == key {
			return v.FieldByIndex(f.Index), true
		}
	}
	return reflect.Value{}, false
}

func keysOf(t reflect.Type) (keys []string) {
	for _, f := range reflect.VisibleFields(t) {
		if k := f.Tag.Get("yaml"); k != "" && !f.Anonymous {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

var units = []struct {
	suffix string
	size   float64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}, {"", 1}}

func parseBytes(s string) (Bytes, error) {
	for _, u := range units {
		num, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
		if err != nil || f < 0 || f*u.size > math.MaxInt64/2 {
			return 0, fmt.Errorf("bad size %q", s)
		}
		return Bytes(f * u.size), nil
	}
	return 0, fmt.Errorf("bad size %q", s)
}

// String gives the size in the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range units[:3] {
		if b != 0 && float64(b) == math.Trunc(float64(b)/u.size)*u.size {
			return strconv.FormatInt(int64(float64(b)/u.size), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}
