// Package template finds the templates of log lines: "user <*> logged in".
//
// Lines are masked first ([AppendMasked]), then mined by Drain (He, Zhu, Zheng
// and Lyu, "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS
// 2017): a tree of fixed depth leads from a line's number of words and its first
// telling word to a few templates; a line that none of them covers joins the most
// similar one, if it is similar enough, and else becomes a template.
//
// Three things differ from the paper, because a detector compares what two
// versions of a program say:
//
//   - Patience. Drain makes a wildcard of the first difference, so that "payment
//     accepted" and "payment rejected" are one template and a new error melts into
//     an old line. Here similar lines stay apart until a leaf holds patience of
//     them: a position with few values names what happened, one with many is a variable.
//   - Similarity leaves out the positions that are wildcards in both: what masking
//     took out says nothing for a line or against it.
//   - Nothing depends on the order of lines in one window, or on a restart: [Miner.Mine]
//     takes all distinct lines of a window at once, what it keeps is a function of
//     what it gave out, and [Miner.Teach] makes the same of what was given out before.
//
// Templates are bounded in number. Lines beyond have the template "".
package template

import (
	"cmp"
	"slices"
	"strings"
)

const (
	// MaxTemplates is how many templates a Miner keeps.
	MaxTemplates = 300
	// maxPlain is how many of them may be of lines that tell of no trouble, so
	// that talk leaves room for errors.
	maxPlain = 200
	// patience is how many similar templates stay apart in one leaf.
	patience = 8
	// A line joins a template if at least 2 of 5 positions agree: .4, as in the paper.
	similarOf, similarAll = 2, 5
	// forgetWindows is how long a template keeps its place in silence when there are no others.
	forgetWindows = 720
	// maxMined bounds the distinct lines of one window that are looked at.
	maxMined = 2000
	maxLed   = 2 * MaxTemplates
)

// Line is one distinct masked line of a window.
type Line struct {
	Text  string
	Given bool   // a template already, as the program told it: kept as it stands
	Grave bool   // of a warning or an error
	Count uint64 // how often it was logged: the most frequent get places first
}

// Miner holds the templates of one service. The zero Miner is ready. It is not
// safe for concurrent use.
type Miner struct {
	known  map[string]*template
	leaves map[leaf][]*template // sorted by text
	fresh  []*template          // made in the window at work
	plain  int                  // templates that are not grave
	// led are lines that are no templates themselves, and where each leads: found once,
	// it is known until a template comes or goes.
	led map[string]*template
}

type template struct {
	text         string
	words        []string
	leaf         leaf
	given, grave bool
	heard        int64 // last window
}

// leaf is where the tree leads: lines of so many words with this word at this place.
type leaf struct {
	words, at int
	word      string
}

// Mine learns the lines of a window, numbered by index, and gives the template of
// each in the same order: "" for those that got no place.
func (m *Miner) Mine(index int64, lines []Line) []string {
	m.makeRoom(index)
	order := make([]int, len(lines))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return compareLines(&lines[a], &lines[b]) })
	order = order[:min(len(order), maxMined)]
	for _, i := range order {
		m.learn(&lines[i])
	}
	covered := m.covered()
	found := make([]string, len(lines))
	for _, i := range order {
		if t := m.find(&lines[i], covered); t != nil {
			found[i] = t.text
			m.hear(t, index, lines[i].Grave)
		}
	}
	for _, t := range slices.Clone(m.fresh) {
		if t.heard != index {
			m.remove(t)
		}
	}
	m.settle()
	return found
}

// Teach tells the templates that were given out in a window before a restart.
// Windows must come in order.
func (m *Miner) Teach(index int64, templates []Line) {
	for i := range templates {
		l := &templates[i]
		t := m.known[l.Text]
		if t == nil && l.Text != "" {
			t = m.add(l.Text, strings.Fields(l.Text), l.Grave)
		}
		if t != nil {
			m.hear(t, index, l.Grave)
		}
	}
	m.settle()
}

// Len is the number of templates.
func (m *Miner) Len() int { return len(m.known) }

func compareLines(a, b *Line) int {
	return cmp.Or(
		-cmp.Compare(rank(a.Grave), rank(b.Grave)), -cmp.Compare(rank(a.Given), rank(b.Given)),
		-cmp.Compare(a.Count, b.Count), strings.Compare(a.Text, b.Text))
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// makeRoom forgets templates that were not heard of for long, if there is need.
func (m *Miner) makeRoom(index int64) {
	if len(m.known) < MaxTemplates && m.plain < maxPlain {
		return
	}
	for _, t := range m.known {
		if t.heard < index-forgetWindows {
			m.remove(t)
		}
	}
}

// learn finds a line a template or makes one.
func (m *Miner) learn(l *Line) {
	if t := m.known[l.Text]; t != nil {
		t.given = t.given || l.Given
		return
	}
	if !l.Given && m.led[l.Text] != nil {
		return
	}
	words := strings.Fields(l.Text)
	if !l.Given {
		if len(words) == 0 || m.cover(words, nil) != nil {
			return
		}
		if t, n := m.similar(words); n >= patience && !t.given {
			merged := merge(t.words, words) // in place of t, so that no room is needed
			if text := strings.Join(merged, " "); m.known[text] == nil {
				m.add(text, merged, t.grave || l.Grave)
			}
			return
		}
	}
	if len(m.known) < MaxTemplates && (l.Grave || m.plain < maxPlain) {
		m.add(l.Text, words, l.Grave).given = l.Given
	}
}

// find gives the template that covers a line most closely.
func (m *Miner) find(l *Line, covered map[*template]bool) *template {
	if t := m.known[l.Text]; t != nil && !covered[t] {
		return t
	}
	if l.Given {
		return nil
	}
	if t := m.led[l.Text]; t != nil {
		return t
	}
	words := strings.Fields(l.Text)
	if len(words) == 0 {
		return nil
	}
	t := m.cover(words, covered)
	if t != nil && len(m.fresh) == 0 { // else templates go at the end of the window
		m.lead(l.Text, t)
	}
	return t
}

// lead remembers where a line leads.
func (m *Miner) lead(text string, t *template) {
	if m.led == nil {
		m.led = map[string]*template{}
	}
	if len(m.led) >= maxLed {
		clear(m.led)
	}
	m.led[text] = t
}

// cover finds the template with the fewest wildcards that covers the words, apart from some.
func (m *Miner) cover(words []string, apart map[*template]bool) (best *template) {
	fewest := len(words) + 1
	for _, t := range m.leaves[leafOf(words)] {
		if n, ok := covers(t.words, words); ok && n < fewest && !apart[t] {
			best, fewest = t, n
		}
	}
	return best
}

// covers says whether a template covers words, and how many wildcards it has.
func covers(t, words []string) (wildcards int, ok bool) {
	for i, w := range t {
		switch {
		case w == Wildcard:
			wildcards++
		case w != words[i]:
			return 0, false
		}
	}
	return wildcards, true
}

// similar counts the templates that are similar to the words, and gives the most
// similar, of equal ones the first by text.
func (m *Miner) similar(words []string) (best *template, n int) {
	bestSame, bestAll := 0, 1
	for _, t := range m.leaves[leafOf(words)] {
		same, all := similarity(t.words, words)
		if same*similarAll < all*similarOf {
			continue
		}
		if n++; best == nil || same*bestAll > bestSame*all {
			best, bestSame, bestAll = t, same, all
		}
	}
	return best, n
}

// similarity counts the positions that agree, and all that are not wildcards in both.
func similarity(a, b []string) (same, all int) {
	for i := range a {
		switch {
		case a[i] != b[i]:
			all++
		case a[i] != Wildcard:
			same++
			all++
		}
	}
	return same, all
}

func merge(a, b []string) []string {
	merged := make([]string, len(a))
	for i := range a {
		if merged[i] = a[i]; a[i] != b[i] {
			merged[i] = Wildcard
		}
	}
	return merged
}

// leafOf finds the first telling word: one that begins with a letter and is not
// the line's severity. What stands before it in a log line are times, threads and
// the like. Merging keeps the word, so a merged template stays in its leaf.
func leafOf(words []string) leaf {
	for i, w := range words {
		if classes[w[0]] == letter && !isSeverity(w) {
			return leaf{len(words), i, w}
		}
	}
	return leaf{len(words), -1, ""}
}

func isSeverity(w string) bool {
	switch strings.TrimSuffix(w, ":") {
	case "TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "ERR", "SEVERE", "CRITICAL", "FATAL",
		"trace", "debug", "info", "notice", "warn", "warning", "error", "err", "severe", "critical", "fatal":
		return true
	}
	return false
}

func (m *Miner) add(text string, words []string, grave bool) *template {
	if m.known == nil {
		m.known, m.leaves = map[string]*template{}, map[leaf][]*template{}
	}
	t := &template{text: strings.Clone(text), words: words, leaf: leafOf(words), grave: grave, heard: -1 << 62}
	for i, w := range words {
		words[i] = strings.Clone(w)
	}
	t.leaf.word = strings.Clone(t.leaf.word)
	clear(m.led)
	m.known[t.text] = t
	m.fresh = append(m.fresh, t)
	list := m.leaves[t.leaf]
	k, _ := slices.BinarySearchFunc(list, text, func(t *template, text string) int { return strings.Compare(t.text, text) })
	m.leaves[t.leaf] = slices.Insert(list, k, t)
	if !grave {
		m.plain++
	}
	return t
}

func (m *Miner) remove(t *template) {
	clear(m.led)
	delete(m.known, t.text)
	m.fresh = slices.DeleteFunc(m.fresh, func(o *template) bool { return o == t })
	list := slices.DeleteFunc(m.leaves[t.leaf], func(o *template) bool { return o == t })
	if m.leaves[t.leaf] = list; len(list) == 0 {
		delete(m.leaves, t.leaf)
	}
	if !t.grave {
		m.plain--
	}
}

func (m *Miner) hear(t *template, index int64, grave bool) {
	t.heard = max(t.heard, index)
	if grave && !t.grave {
		t.grave = true
		m.plain--
	}
}

// covered gives the templates that fresh ones make superfluous. What programs
// gave themselves is not.
func (m *Miner) covered() map[*template]bool {
	covered := map[*template]bool{}
	for _, p := range m.fresh {
		for _, t := range m.leaves[p.leaf] {
			if _, ok := covers(p.words, t.words); ok && t != p && !t.given {
				covered[t] = true
			}
		}
	}
	return covered
}

// settle ends a window: what fresh templates cover goes.
func (m *Miner) settle() {
	for t := range m.covered() {
		m.remove(t)
	}
	m.fresh = m.fresh[:0]
}
