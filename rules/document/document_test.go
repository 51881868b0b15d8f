package document_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unship.dev/rules/document"
)

type inner struct {
	Name string         `yaml:"name"`
	Wait time.Duration  `yaml:"wait"`
	Size document.Bytes `yaml:"size"`
}

func (i *inner) Defaults() { i.Wait = time.Minute }

type outer struct {
	On     bool            `yaml:"on"`
	Count  int             `yaml:"count"`
	Ratio  float64         `yaml:"ratio"`
	Secret document.Secret `yaml:"secret"`
	List   []inner         `yaml:"list"`
	Words  []string        `yaml:"words"`
	With   document.Raw    `yaml:"with"`
}

func env(name string) (string, bool) {
	v, ok := map[string]string{"TOKEN": "s3cr: et", "EMPTY": ""}[name]
	return v, ok
}

func TestDecode(t *testing.T) {
	text := `
on: true
count: 3
ratio: 0.25
secret: ${env:TOKEN}
words: [a, "b$$", "${env:NONE:-c}"]
list:
  - name: one
    size: 64MiB
  - {name: two, wait: 5s}
with:
  command: [echo, "${env:TOKEN}"]
  plain: 1
`
	var got outer
	d := document.Parse("f.yaml", []byte(text), env)
	d.Decode(&got)
	if err := d.Err(); err != nil {
		t.Fatal(err)
	}
	raw := got.With
	got.With = document.Raw{}
	want := outer{On: true, Count: 3, Ratio: .25, Secret: "s3cr: et", Words: []string{"a", "b$", "c"},
		List: []inner{{"one", time.Minute, 64 << 20}, {"two", 5 * time.Second, 0}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if raw.Line != 12 {
		t.Errorf("raw begins at line %d, want 12", raw.Line)
	}
	var with struct {
		Command []string `yaml:"command"`
		Plain   int      `yaml:"plain"`
	}
	again := document.Parse("with", raw.Text, env)
	again.Decode(&with)
	if again.Err() != nil || with.Plain != 1 || with.Command[1] != "s3cr: et" {
		t.Errorf("raw settings read as %+v (%v) from:\n%s", with, again.Err(), raw.Text)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", got.Secret, got, got.Secret, got.Secret); strings.Contains(s, "s3cr") {
		t.Errorf("the secret shows: %s", s)
	}
}

func TestMistakesAreNamedAllAtOnce(t *testing.T) {
	text := `on: maybe
count: 1.5
ratio: nan
secret: ${env:MISSING}
wrods: [a]
words: a
list:
  - name: [x]
    wait: 5
    size: big
  - wait:
with: text
`
	want := []string{
		`f.yaml:1:5: on: is "maybe"; want true or false`,
		`f.yaml:2:8: count: is "1.5"; want a whole number`,
		`f.yaml:3:8: ratio: is "nan"; want a number`,
		`f.yaml:4:9: secret: uses ${env:MISSING}, which is not set; set it or write ${env:MISSING:-default}`,
		`f.yaml:5:1: wrods: is not known here; want count, list, on, ratio, secret, with, words`,
		`f.yaml:6:8: words: is "a"; want a list`,
		`f.yaml:8:11: list[0].name: is a list; want a text`,
		`f.yaml:9:11: list[0].wait: is "5"; want a duration with its unit, such as 30s, 10m or 24h`,
		`f.yaml:10:11: list[0].size: is "big"; want a size such as 512KiB, 64MiB or 1GiB`,
		`f.yaml:11:5: list[1].wait: has no value; give one or leave the key out`,
		`f.yaml:12:7: with: is "text"; want a mapping`,
	}
	var into outer
	d := document.Parse("f.yaml", []byte(text), env)
	d.Decode(&into)
	err := d.Err()
	if err == nil {
		t.Fatal("no mistake was found")
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestSyntax(t *testing.T) {
	for name, text := range map[string]string{
		"unclosed":   "on: [true",
		"repeated":   "on: true\non: false",
		"tab":        "list:\n\t- a",
		"two":        "on: true\n---\non: false\n",
		"scalar":     "hello",
		"alias":      "count: *x",
		"bad escape": "secret: ${TOKEN}",
	} {
		t.Run(name, func(t *testing.T) {
			var into outer
			d := document.Parse("f.yaml", []byte(text), env)
			d.Decode(&into)
			err := d.Err()
			if err == nil {
				t.Fatalf("%q was accepted as %+v", text, into)
			}
			if !strings.HasPrefix(err.Error(), "f.yaml:") {
				t.Errorf("mistake without a place: %v", err)
			}
		})
	}
}

func TestEmptyFileIsFine(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", "---\n"} {
		into := outer{Count: 7}
		d := document.Parse("f.yaml", []byte(text), env)
		d.Decode(&into)
		if d.Err() != nil || into.Count != 7 {
			t.Errorf("%q: %v, count %d", text, d.Err(), into.Count)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("on: true\nlist: [{name: a}]\nwith: {a: ${env:TOKEN}}")
	f.Add("a: &x [*x]")
	f.Fuzz(func(t *testing.T, text string) {
		var into outer
		d := document.Parse("f.yaml", []byte(text), env)
		d.Decode(&into)
		_ = d.Err()
	})
}
