// Package stack finds where in a program's own code an exception was thrown,
// from the text of its stack trace (OTel's exception.stacktrace).
//
// It reads the traces of the JVM (Java, Kotlin, Scala, and OTel PHP's likeness of
// them), .NET, Node.js, Python, Go, Ruby and PHP. Each is recognised line by line
// by its own shape; what has none of them gives nothing.
//
// A place is to be the same in two builds of a program unless the code there
// changed. So it has no line numbers, no addresses, no names that compilers
// number, and of files no more than the last folder.
package stack

import (
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxFrames = 3       // in a place
	maxFrame  = 100     // bytes of one frame
	maxTrace  = 1 << 15 // bytes of a trace that are read
	maxDepth  = 500     // frames that are read
)

// Place gives up to three frames of a program's own code, innermost first,
// joined by " < ": "com.acme.Cart.add < com.acme.Shop.order". Frames of runtimes,
// frameworks and packages of others are left out. "" if none is left.
func Place(trace string) string {
	var own []string
	for f := range frames(trace) {
		if !f.own() {
			continue
		}
		text := f.String()
		if text == "" || len(own) > 0 && own[len(own)-1] == text { // recursion
			continue
		}
		if own = append(own, text); len(own) == maxFrames {
			break
		}
	}
	return strings.Join(own, " < ")
}

// frame is one line of a trace, as far as its language tells.
type frame struct {
	language language
	function string // with its package or class where the language writes it so
	file     string // "" if the language names no path
}

type language uint8

const (
	jvm language = iota + 1
	dotnet
	node
	python
	golang
	ruby
	php
)

// String gives the function or, where its name is not unique in a program, the file and the function.
func (f frame) String() string {
	text := f.function
	switch f.language {
	case node, python, ruby:
		text = strings.Trim(shortPath(f.file)+" "+f.function, " ")
	}
	return cut(strings.ToValidUTF8(text, "\uFFFD"))
}

func cut(s string) string {
	if len(s) <= maxFrame {
		return s
	}
	n := maxFrame
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// shortPath gives a file with its folder, unless the folder has a digit in it:
// that may be a version.
func shortPath(path string) string {
	path = strings.TrimPrefix(path, "file://")
	path, _, _ = strings.Cut(path, "?")
	path = strings.ReplaceAll(path, `\`, "/")
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 {
		return path
	}
	folder := path[:slash]
	folder = folder[strings.LastIndexByte(folder, '/')+1:]
	if folder == "" || strings.ContainsAny(folder, "0123456789") {
		return path[slash+1:]
	}
	return folder + path[slash:]
}

// frames gives the frames of a trace, innermost first.
func frames(trace string) iter.Seq[frame] {
	if strings.Contains(trace[:min(len(trace), maxTrace)], "Traceback (most recent call last)") {
		return pythonFrames(trace)
	}
	trace = trace[:min(len(trace), maxTrace)]
	if strings.HasPrefix(trace, "goroutine ") || strings.Contains(trace, "\ngoroutine ") {
		return goFrames(trace)
	}
	if strings.Contains(trace, "#0 ") && !strings.Contains(trace, "\tat ") {
		return phpFrames(trace)
	}
	return lineFrames(trace)
}

// lineFrames gives the frames of languages that write one line a frame, innermost first.
func lineFrames(trace string) iter.Seq[frame] {
	return func(yield func(frame) bool) {
		for line := range lines(trace) {
			f, ok := atFrame(line)
			if !ok {
				f, ok = rubyFrame(line)
			}
			if ok && !yield(f) {
				return
			}
		}
	}
}

// lines gives the lines of a trace, as many as are read, without the space around them.
func lines(trace string) iter.Seq[string] {
	return func(yield func(string) bool) {
		n := 0
		for line := range strings.SplitSeq(trace, "\n") {
			if n++; n > 2*maxDepth || !yield(strings.TrimSpace(line)) {
				return
			}
		}
	}
}

// atFrame reads "at function(where)" of the JVM, .NET and Node.js. The JVM tells
// a file or that there is none, Node.js a line and a column.
func atFrame(line string) (frame, bool) {
	rest, ok := strings.CutPrefix(line, "at ")
	if !ok {
		return frame{}, false
	}
	if f, ok := nodeFrame(rest); ok {
		return f, true
	}
	open := strings.IndexByte(rest, '(')
	if open <= 0 {
		return frame{}, false
	}
	where, _, closed := strings.Cut(rest[open+1:], ")")
	if name := rest[:open]; !closed || !strings.Contains(name, ".") || strings.Contains(name, " ") {
		return frame{}, false
	}
	if isJVMSource(where) {
		return frame{language: jvm, function: jvmFunction(rest[:open])}, true
	}
	_, file, _ := strings.Cut(rest[open:], ") in ")
	if n := strings.LastIndex(file, ":line "); n >= 0 {
		file = file[:n]
	}
	return frame{language: dotnet, function: dotnetFunction(rest[:open]), file: file}, true
}

// isJVMSource says that what stands in brackets is what a JVM writes there.
func isJVMSource(where string) bool {
	switch where {
	case "Native Method", "Unknown Source", "<generated>", "Redefined":
		return true
	}
	file, _, _ := strings.Cut(where, ":")
	for _, suffix := range [...]string{".java", ".kt", ".scala", ".groovy", ".clj", ".php"} {
		if strings.HasSuffix(file, suffix) && !strings.ContainsAny(file, " ,") {
			return true
		}
	}
	return false
}

// jvmFunction leaves out class loaders and modules, and what compilers and proxies number.
func jvmFunction(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return name
	}
	class, method := name[:dot], name[dot+1:]
	if n := strings.Index(class, "$$"); n > 0 {
		class = class[:n]
	}
	if lambda, ok := strings.CutPrefix(method, "lambda$"); ok {
		method, _, _ = strings.Cut(lambda, "$")
	}
	return trimNumbers(class, "$") + "." + method
}

// trimNumbers takes numbers at the end off that follow a mark: "Cart$1$2" is in Cart.
func trimNumbers(name, mark string) string {
	for {
		short := strings.TrimRight(name, "0123456789")
		if len(short) == len(name) || !strings.HasSuffix(short, mark) {
			return name
		}
		name = strings.TrimSuffix(short, mark)
	}
}

// dotnetFunction gives a function its name in the source: the compiler moves
// asynchronous ones and lambdas into classes of its own, and numbers these.
func dotnetFunction(name string) string {
	if n := strings.IndexByte(name, '['); n > 0 { // type arguments
		name = name[:n]
	}
	var parts []string
	for part := range strings.SplitSeq(name, ".") {
		part, _, _ = strings.Cut(part, "`")
		switch {
		case part == "MoveNext", part == "<>c", strings.HasPrefix(part, "<>c__"), part == "":
		case strings.HasPrefix(part, "<"):
			inner := strings.Trim(strings.TrimLeft(part, "<"), "<")
			inner, _, _ = strings.Cut(inner, ">")
			parts = append(parts, inner)
		default:
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ".")
}

// nodeFrame reads "function (file:line:column)" and "file:line:column".
func nodeFrame(rest string) (frame, bool) {
	rest = strings.TrimPrefix(rest, "async ")
	function, where := "", rest
	if strings.HasSuffix(rest, ")") {
		open := strings.LastIndex(rest, " (")
		if open < 0 {
			return frame{}, false
		}
		function, where = rest[:open], rest[open+2:len(rest)-1]
	}
	file, ok := cutPosition(where)
	if !ok && where != "<anonymous>" && where != "native" {
		return frame{}, false
	}
	function = strings.TrimPrefix(function, "new ")
	if n := strings.Index(function, " [as "); n >= 0 {
		function = function[:n]
	}
	if strings.HasSuffix(function, "<anonymous>") || file == "" && ok {
		function = strings.TrimSuffix(strings.TrimSuffix(function, "<anonymous>"), ".")
	}
	return frame{language: node, function: function, file: file}, true
}

// cutPosition takes ":line:column" off.
func cutPosition(where string) (file string, ok bool) {
	short := where
	for range 2 {
		digits := strings.TrimRight(short, "0123456789")
		if len(digits) == len(short) || !strings.HasSuffix(digits, ":") {
			return "", false
		}
		short = strings.TrimSuffix(digits, ":")
	}
	return short, true
}

// rubyFrame reads "file:line:in `function'", and with quotes of one kind as from Ruby 3.4 on.
func rubyFrame(line string) (frame, bool) {
	line = strings.TrimPrefix(line, "from ")
	before, after, ok := strings.Cut(line, ":in ")
	if !ok || len(after) < 2 || after[0] != '`' && after[0] != '\'' {
		return frame{}, false
	}
	digits := strings.TrimRight(before, "0123456789")
	if len(digits) == len(before) || !strings.HasSuffix(digits, ":") {
		return frame{}, false
	}
	function, _, ok := strings.Cut(after[1:], "'")
	if !ok {
		return frame{}, false
	}
	if strings.HasPrefix(function, "block ") || strings.HasPrefix(function, "rescue ") || strings.HasPrefix(function, "ensure ") {
		function = function[strings.LastIndexByte(function, ' ')+1:]
	}
	return frame{language: ruby, function: function, file: strings.TrimSuffix(digits, ":")}, true
}

// pythonFrames reads pairs of lines of which the first is `File "path", line 12, in
// function`. The innermost stands last.
func pythonFrames(trace string) iter.Seq[frame] {
	var list []frame
	for line := range lines(trace[max(0, len(trace)-maxTrace):]) {
		rest, ok := strings.CutPrefix(line, `File "`)
		if !ok {
			continue
		}
		file, rest, ok := strings.Cut(rest, `", line `)
		if !ok {
			continue
		}
		_, function, _ := strings.Cut(rest, ", in ")
		list = append(list, frame{language: python, function: function, file: file})
	}
	slices.Reverse(list)
	return slices.Values(list)
}

// goFrames reads pairs of lines: a function with its arguments, and its file.
// Only the first goroutine is read.
func goFrames(trace string) iter.Seq[frame] {
	return func(yield func(frame) bool) {
		function, goroutines := "", 0
		for line := range lines(trace) {
			switch {
			case strings.HasPrefix(line, "goroutine "):
				if goroutines++; goroutines > 1 {
					return
				}
			case strings.HasPrefix(line, "created by "):
				return
			case function == "":
				function = goFunction(line)
			default:
				file, _, _ := strings.Cut(line, ".go:")
				if !yield(frame{language: golang, function: function, file: file}) {
					return
				}
				function = ""
			}
		}
	}
}

// goFunction leaves out arguments, type arguments and the numbers of closures.
func goFunction(line string) string {
	open := strings.LastIndexByte(line, '(')
	if open < 0 || !strings.HasSuffix(line, ")") {
		return ""
	}
	name := line[:open]
	name = strings.ReplaceAll(name, "[...]", "")
	for {
		short := strings.TrimRight(name, "0123456789")
		switch {
		case len(short) == len(name):
			return name
		case strings.HasSuffix(short, ".func"):
			name = strings.TrimSuffix(short, ".func")
		case strings.HasSuffix(short, "."):
			name = strings.TrimSuffix(short, ".")
		case strings.HasSuffix(short, ".gowrap"):
			name = strings.TrimSuffix(short, ".gowrap")
		default:
			return name
		}
	}
}

// phpFrames reads "#0 file(line): function(arguments)". The file is where the
// function was called: the function itself stands in the file before.
func phpFrames(trace string) iter.Seq[frame] {
	return func(yield func(frame) bool) {
		file := phpThrown(trace)
		for line := range lines(trace) {
			if !strings.HasPrefix(line, "#") {
				continue
			}
			_, rest, _ := strings.Cut(line, " ")
			where, call, ok := strings.Cut(rest, ": ")
			if !ok {
				continue
			}
			function, _, _ := strings.Cut(call, "(")
			if !yield(frame{language: php, function: strings.ReplaceAll(function, "->", "::"), file: file}) {
				return
			}
			file, _, _ = strings.Cut(where, "(")
			if where == "[internal function]" {
				file = where
			}
		}
	}
}

// phpThrown gives the file in which the exception was thrown: "… in file:line".
func phpThrown(trace string) string {
	head, _, _ := strings.Cut(trace, "#0 ")
	n := strings.LastIndex(head, " in ")
	if n < 0 {
		return ""
	}
	file, _, _ := strings.Cut(head[n+4:], "\n")
	if colon := strings.LastIndexByte(file, ':'); colon > 0 {
		file = file[:colon]
	}
	return strings.TrimSpace(file)
}
