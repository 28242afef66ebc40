package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"llama9/styxfs"
)

// View implements tea.Model.
func (m topModel) View() tea.View {
	v := tea.NewView(m.picture())
	v.AltScreen = true
	v.WindowTitle = "llama9 top " + m.addr
	return v
}

// picture is the screen: the head stays, the body below it scrolls.
func (m topModel) picture() string {
	lines := m.head()
	body := m.body()
	body = body[min(m.top, len(body)):]
	if n := m.page(); len(body) > n {
		body = body[:n]
	}
	lines = append(lines, body...)
	if len(lines) > m.height {
		lines = lines[:m.height]
	}
	return strings.Join(lines, "\n")
}

// page is how many lines the body has on the screen.
func (m topModel) page() int { return max(1, m.height-len(m.head())) }

// head is what the server says of itself.
func (m topModel) head() []string {
	get := func(name string) string { return styxfs.FindAttr(m.status, name) }
	word := func(name string) string { return styxfs.Quote(get(name)) }
	title := "llama9 top " + m.addr
	if m.status != nil {
		title += fmt.Sprintf("  up %s  version %s", word("uptime"), word("version"))
	}
	lines := []string{m.line("1", title)}
	if m.err != nil {
		lines = append(lines, m.line("31;1", "no server: "+oneLine(m.err.Error())+"; trying again"))
	}
	if m.status == nil {
		if m.err == nil {
			lines = append(lines, m.line("", "..."))
		}
		return lines
	}
	lines = append(lines, m.line(stateColor(get("state")), fmt.Sprintf("%s  slots %s %s busy %s  queue %s  %s tokens/s  sessions %s",
		word("state"), word("slots"), bar(get("busy"), get("slots"), 20), word("busy"), word("queue"), word("tokens/s"), word("sessions"))))
	var more []string
	for _, name := range []string{"engine", "build", "variant", "nodes", "up", "journal"} {
		if slices.ContainsFunc(m.status, func(a styxfs.Attr) bool { return a.Name == name }) {
			more = append(more, name+" "+word(name))
		}
	}
	lines = append(lines, m.line("", strings.Join(more, "  ")))
	if e := get("error"); e != "" {
		lines = append(lines, m.line("31", "error "+styxfs.Quote(e)))
	}
	if m.load != "" {
		lines = append(lines, m.line("33", m.load))
	}
	if m.lost > 0 {
		lines = append(lines, m.line("33", fmt.Sprintf("%d events were missed", m.lost)))
	}
	return lines
}

// body is the tables.
func (m topModel) body() []string { return append(m.nodeTable(), m.sessionTable()...) }

// nodeColumns are those of node/index that are shown, where it has them.
var nodeColumns = []string{"name", "state", "slots", "busy", "queue", "inflight", "served", "tokens/s", "rtt", "weight", "addr"}

func (m topModel) nodeTable() []string {
	if m.nodes == nil {
		return nil
	}
	columns := slices.DeleteFunc(slices.Clone(nodeColumns), func(name string) bool {
		return !slices.ContainsFunc(m.nodes, func(n []styxfs.Attr) bool {
			return slices.ContainsFunc(n, func(a styxfs.Attr) bool { return a.Name == name })
		})
	})
	var rows [][]string
	for _, n := range m.nodes {
		var row []string
		for _, c := range columns {
			row = append(row, styxfs.FindAttr(n, c))
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return []string{"", m.line("", "no node is mounted")}
	}
	columns[0] = "node"
	return append([]string{""}, m.table(columns, rows, 1)...)
}

func (m topModel) sessionTable() []string {
	if len(m.sessions) == 0 {
		return nil
	}
	var rows [][]string
	for _, s := range m.sessions {
		rows = append(rows, []string{s.id, s.state, s.turn, s.reason, s.tokens, s.at.Local().Format("15:04:05")})
	}
	return append([]string{""}, m.table([]string{"session", "state", "turn", "reason", "tokens", "at"}, rows, 1)...)
}

// table lines up rows below their columns. Column state colors a row.
func (m topModel) table(columns []string, rows [][]string, state int) []string {
	width := make([]int, len(columns))
	all := append([][]string{columns}, rows...)
	for _, row := range all {
		for i, s := range row {
			width[i] = max(width[i], utf8.RuneCountInString(field(s)))
		}
	}
	var lines []string
	for k, row := range all {
		var b strings.Builder
		for i, s := range row {
			s = field(s)
			if k == 0 {
				s = strings.ToUpper(s)
			}
			b.WriteString(s)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(s)+2))
			}
		}
		style := "4"
		if k > 0 {
			style = stateColor(row[state])
		}
		lines = append(lines, m.line(style, b.String()))
	}
	return lines
}

// field is a value in a table.
func field(s string) string {
	if s == "" {
		return "-"
	}
	return styxfs.Quote(s)
}

// line cuts a line to the screen, and gives it a look, as in SGR.
func (m topModel) line(style, s string) string {
	if n := 0; m.width > 0 {
		for i := range s {
			if n++; n > m.width {
				s = s[:i]
				break
			}
		}
	}
	if !m.color || style == "" || s == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[m"
}

// stateColor is the look of a server, a node or a session in a state.
func stateColor(state string) string {
	switch state {
	case "up", "ready", "done":
		return "32"
	case "draining", "slow", "paused", "cancelled":
		return "33"
	case "down", "dead", "failed", "closed":
		return "31"
	}
	return ""
}

// bar draws n of most.
func bar(n, most string, width int) string {
	a, err := strconv.Atoi(n)
	b, err2 := strconv.Atoi(most)
	if err != nil || err2 != nil || b <= 0 {
		return ""
	}
	full := min(max(a, 0), b) * width / b
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}

// oneLine is a text without what could move the cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
