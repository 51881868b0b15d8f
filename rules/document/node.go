package document

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// bare strips anchors and tags, which mean nothing here.
func bare(n ast.Node) ast.Node {
	for {
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.TagNode:
			n = x.Value
		default:
			return n
		}
	}
}

func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch x := n.(type) {
	case *ast.MappingNode:
		return x.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{x}, true
	}
	return nil, false
}

func isNull(n ast.Node) bool {
	_, ok := bare(n).(*ast.NullNode)
	return n == nil || ok
}

// describe says in words what kind of value stands there.
func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "empty"
	case *ast.AliasNode:
		return "an alias, which is not supported"
	}
	return strconv.Quote(n.GetToken().Value)
}

// scalar gives the text of a single value with environment variables replaced.
func (d *Document) scalar(n ast.Node, path, want string) (string, bool) {
	switch x := n.(type) {
	case *ast.StringNode:
		return d.expand(x, path, x.Value)
	case *ast.LiteralNode:
		return d.expand(x, path, x.Value.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	d.wrong(n.GetToken(), path, "is %s; want %s", describe(n), want)
	return "", false
}

var variable = regexp.MustCompile(`\$\$|\$\{env:([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\}|\$\{[^}]*\}?`)

// expand replaces environment variables in s. An unset one without a default is a mistake.
func (d *Document) expand(n ast.Node, path, s string) (string, bool) {
	ok := true
	out := variable.ReplaceAllStringFunc(s, func(m string) string {
		if m == "$$" {
			return "$"
		}
		part := variable.FindStringSubmatch(m)
		if part[1] == "" {
			ok = false
			d.wrong(n.GetToken(), path, "has %q; want ${env:NAME} or ${env:NAME:-default}, or $$ for a plain $", m)
			return ""
		}
		if v, set := d.env(part[1]); set {
			return v
		}
		if part[2] != "" {
			return strings.TrimPrefix(part[2], ":-")
		}
		ok = false
		d.wrong(n.GetToken(), path, "uses ${env:%s}, which is not set; set it or write ${env:%s:-default}", part[1], part[1])
		return ""
	})
	return out, ok
}

// expandAll replaces environment variables in every text below n, in place.
func (d *Document) expandAll(n ast.Node, path string) {
	ast.Walk(visitor(func(n ast.Node) {
		s, ok := n.(*ast.StringNode)
		if !ok || !strings.Contains(s.Value, "$") {
			return
		}
		if v, ok := d.expand(s, path, s.Value); ok && v != s.Value {
			s.Value = v
			s.Token.Type = token.DoubleQuoteType // whatever the value holds, it stays one text
		}
	}), n)
}

type visitor func(ast.Node)

// Visit calls the function for n and goes on into its children.
func (v visitor) Visit(n ast.Node) ast.Visitor {
	v(n)
	return v
}
