package unship_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The house rules that the compiler does not keep.

const module = "unship.dev"

var stages = []string{"ingest", "detect", "decide", "actions", "rules", "dashboards"}

// allowed are the imports between stages; everything else between them is forbidden.
// An entry stands for a package and all below it.
var allowed = map[string][]string{
	"detect":     {"rules"},
	"decide":     {"rules"},
	"actions":    {"rules/document"}, // to read an action's settings as strictly as the file around them
	"dashboards": {"decide/journal", "decide/report"},
}

// pure packages know no wall clock, no randomness, no goroutine and no I/O.
var pure = map[string]string{
	"detect": "", "detect/stat": "", "detect/blame": "", "decide": "", "rules": "", "rules/document": "", "ingest/releases": "",
}

type listed struct {
	ImportPath, Dir           string
	Imports                   []string
	GoFiles                   []string
	TestGoFiles, XTestGoFiles []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,TestGoFiles,XTestGoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func stageOf(path string) string {
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return ""
	}
	s, _, _ := strings.Cut(rest, "/")
	return s
}

func below(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func TestTheVocabularyImportsTheStandardLibraryOnly(t *testing.T) {
	for _, p := range packages(t) {
		if p.ImportPath != module {
			continue
		}
		for _, imp := range p.Imports {
			if strings.Contains(imp, ".") {
				t.Errorf("package unship imports %s", imp)
			}
		}
	}
}

func TestStagesDoNotImportEachOther(t *testing.T) {
	for _, p := range packages(t) {
		from := stageOf(p.ImportPath)
		if !slices.Contains(stages, from) {
			continue
		}
		for _, imp := range p.Imports {
			to := stageOf(imp)
			if to == "" || to == from {
				continue
			}
			ok := slices.ContainsFunc(allowed[from], func(a string) bool { return below(imp, module+"/"+a) })
			if !ok {
				t.Errorf("%s imports %s: stages meet in package unship; only cmd sees them all", p.ImportPath, imp)
			}
		}
	}
}

// sdk are modules that may appear in leaf packages only: packages that no other stage package imports.
var sdk = regexp.MustCompile(`^(google\.golang\.org/grpc|go\.opentelemetry\.io/collector|github\.com/slack-go|modernc\.org|k8s\.io|github\.com/cdevents)`)

func TestSDKsStayInLeafPackages(t *testing.T) {
	for _, p := range packages(t) {
		if from := stageOf(p.ImportPath); !slices.Contains([]string{"detect", "decide", "rules"}, from) {
			continue
		}
		if p.ImportPath == module+"/decide/journal" {
			continue
		}
		for _, imp := range p.Imports {
			if sdk.MatchString(imp) {
				t.Errorf("%s imports %s", p.ImportPath, imp)
			}
		}
	}
}

func TestPurePackages(t *testing.T) {
	forbidden := map[string]bool{
		"math/rand": true, "math/rand/v2": true, "crypto/rand": true, "os": true, "net": true, "net/http": true,
		"sync": true, "log/slog": true, "log": true, "context": true, "io/fs": true, "database/sql": true,
	}
	clock := regexp.MustCompile(`^time\.(Now|Since|Until|Sleep|After|Tick|NewTimer|NewTicker|AfterFunc)$`)
	for _, p := range packages(t) {
		if _, ok := pure[strings.TrimPrefix(p.ImportPath, module+"/")]; !ok {
			continue
		}
		for _, imp := range p.Imports {
			if forbidden[imp] {
				t.Errorf("%s is pure but imports %s", p.ImportPath, imp)
			}
		}
		for _, file := range p.GoFiles {
			inspect(t, filepath.Join(p.Dir, file), func(fset *token.FileSet, n ast.Node) {
				switch x := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s: a goroutine in a pure package", fset.Position(x.Pos()))
				case *ast.SelectorExpr:
					if id, ok := x.X.(*ast.Ident); ok && clock.MatchString(id.Name+"."+x.Sel.Name) {
						t.Errorf("%s: %s.%s in a pure package: event time is data", fset.Position(x.Pos()), id.Name, x.Sel.Name)
					}
				}
			})
		}
	}
}

func inspect(t *testing.T, file string, visit func(*token.FileSet, ast.Node)) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if n != nil {
			visit(fset, n)
		}
		return true
	})
}

func TestEveryPackageHasOneComment(t *testing.T) {
	for _, p := range packages(t) {
		var with []string
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil && strings.TrimSpace(f.Doc.Text()) != "" {
				with = append(with, file)
			}
		}
		if len(p.GoFiles) > 0 && len(with) != 1 {
			t.Errorf("%s has %d package comments (%s); want one", p.ImportPath, len(with), strings.Join(with, ", "))
		}
	}
}

func TestFunctionsAreShort(t *testing.T) {
	const limit = 60
	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			inspect(t, filepath.Join(p.Dir, file), func(fset *token.FileSet, n ast.Node) {
				f, ok := n.(*ast.FuncDecl)
				if !ok || f.Body == nil {
					return
				}
				if lines := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1; lines > limit {
					t.Errorf("%s: %s has %d lines; the limit is %d", fset.Position(f.Pos()), f.Name.Name, lines, limit)
				}
			})
		}
	}
}

func TestTestsNeitherSkipNorSleep(t *testing.T) {
	bad := regexp.MustCompile(`\b(t|b|tb|f)\.Skip(f|Now)?\(|\btime\.Sleep\(`)
	for _, p := range packages(t) {
		for _, file := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			path := filepath.Join(p.Dir, file)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Base(path) == "arch_test.go" {
				continue
			}
			for i, line := range strings.Split(string(text), "\n") {
				if bad.MatchString(line) && !strings.Contains(line, "synctest") {
					t.Errorf("%s:%d: %s", path, i+1, strings.TrimSpace(line))
				}
			}
		}
	}
}

func TestTopLevelIsWhatTheArchitectureSays(t *testing.T) {
	want := []string{"actions", "cmd", "dashboards", "decide", "deploy", "detect", "docs", "ingest", "rules"}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() || strings.HasPrefix(name, ".") || name == "bin" || strings.HasPrefix(name, "unship-") {
			continue
		}
		if !slices.Contains(want, name) {
			t.Errorf("folder %s is not in docs/ARCHITECTURE.md's tree", name)
		}
	}
}
