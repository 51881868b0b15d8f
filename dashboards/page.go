package dashboards

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"path"
)

//go:embed assets
var assets embed.FS

// page is the shell and its code. It holds no data: the code asks the API.
type page struct {
	html  []byte
	files map[string][]byte
}

func newPage() (p page, err error) {
	p.files = map[string][]byte{}
	entries, err := assets.ReadDir("assets")
	if err != nil {
		return p, fmt.Errorf("read the page: %w", err)
	}
	var modules []string // the browser fetches them at once, not one after the other
	for _, e := range entries {
		if p.files[e.Name()], err = assets.ReadFile("assets/" + e.Name()); err != nil {
			return p, fmt.Errorf("read the page: %w", err)
		}
		if path.Ext(e.Name()) == ".js" {
			modules = append(modules, e.Name())
		}
	}
	t, err := template.New("page").Parse(string(p.files["index.html"]))
	if err != nil {
		return p, fmt.Errorf("read the page: %w", err)
	}
	delete(p.files, "index.html")
	var b bytes.Buffer
	if err := t.Execute(&b, modules); err != nil {
		return p, fmt.Errorf("write the page: %w", err)
	}
	p.html = b.Bytes()
	return p, nil
}

func (p page) shell(w http.ResponseWriter, r *http.Request) {
	sendTagged(w, r, "text/html; charset=utf-8", p.html)
}

func (p page) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	body, ok := p.files[name]
	if !ok {
		notFound(w, r)
		return
	}
	sendTagged(w, r, contentType(name), body)
}

// contentType does not ask the machine's own table, which differs by machine.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	default:
		return "image/svg+xml"
	}
}
