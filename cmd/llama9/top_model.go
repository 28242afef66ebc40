package main

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"llama9/styxfs"
)

// A topModel is what top shows.
type topModel struct {
	addr          string
	color         bool
	width, height int
	top           int // lines of the body that are above the screen

	status   []styxfs.Attr
	nodes    [][]styxfs.Attr
	sessions []topSession // whose event came last first
	load     string       // of a model
	lost     int          // events
	err      error        // why there is no server
}

// A topSession is what events said of a session.
type topSession struct {
	id, turn, state, reason, tokens string
	at                              time.Time
}

// topSessions is how many sessions are remembered.
const topSessions = 500

func newTopModel(addr string, color bool) topModel {
	return topModel{addr: addr, color: color, width: 80, height: 24}
}

// Init implements tea.Model.
func (m topModel) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m topModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case topMsg:
		m.take(msg)
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		switch msg.String() {
		case "q", "ctrl+c", "ctrl+d", "esc":
			return m, tea.Quit
		case "down", "j":
			m.top++
		case "up", "k":
			m.top--
		case "pgdown", "space":
			m.top += m.page()
		case "pgup":
			m.top -= m.page()
		case "home", "g":
			m.top = 0
		}
	}
	m.top = max(0, min(m.top, len(m.body())-m.page()))
	return m, nil
}

// take takes what the feed has read.
func (m *topModel) take(msg topMsg) {
	m.err = msg.err
	if msg.err != nil {
		return // what was known is shown on
	}
	if id := styxfs.FindAttr(msg.status, "id"); id != styxfs.FindAttr(m.status, "id") {
		m.sessions, m.lost, m.load = nil, 0, "" // another start of it
	}
	m.status, m.nodes = msg.status, msg.nodes
	m.sessions = slices.Clone(m.sessions)
	for _, line := range msg.events {
		at, kind, attrs, err := styxfs.ParseEvent(line)
		if err == nil {
			m.event(at, kind, attrs)
		}
	}
	slices.SortStableFunc(m.sessions, func(a, b topSession) int { return b.at.Compare(a.at) })
	if len(m.sessions) > topSessions {
		m.sessions = m.sessions[:topSessions]
	}
}

// event takes a line of event.
func (m *topModel) event(at time.Time, kind string, attrs []styxfs.Attr) {
	get := func(name string) string { return styxfs.FindAttr(attrs, name) }
	switch kind {
	case "session":
		if get("state") == "removed" {
			m.sessions = slices.DeleteFunc(m.sessions, func(s topSession) bool { return s.id == get("id") })
			return
		}
		*m.session(get("id")) = topSession{id: get("id"), state: get("state"), at: at}
	case "commit":
		*m.session(get("session")) = topSession{id: get("session"), turn: get("turn"), state: "running", at: at}
	case "turn":
		*m.session(get("session")) = topSession{get("session"), get("turn"), get("state"), get("reason"), get("tokens"), at}
	case "model":
		m.load = ""
		if state := get("state"); state == string(styxfs.Loading) || state == string(styxfs.Failed) {
			m.load = "model " + styxfs.Quote(cmp.Or(get("name"), "?")) + " " + state
			if p := get("percent"); p != "" && state == string(styxfs.Loading) {
				m.load += " " + p + "%"
			}
			if e := get("error"); e != "" {
				m.load += ": " + styxfs.Quote(e)
			}
		}
	case "lost":
		n, _ := strconv.Atoi(get("n"))
		m.lost += n
	}
}

// session finds a session, or makes it.
func (m *topModel) session(id string) *topSession {
	for i := range m.sessions {
		if m.sessions[i].id == id {
			return &m.sessions[i]
		}
	}
	m.sessions = append(m.sessions, topSession{})
	return &m.sessions[len(m.sessions)-1]
}
