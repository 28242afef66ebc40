package template

import (
	"strings"

	"llama9/styxfs"
)

// A family writes a chat as one of llama.cpp's llm_chat_apply_template does,
// with the beginning of the assistant's next turn.
type family func(w *writer, msgs []styxfs.Message)

// A writer collects the segments of a family.
type writer struct{ segs []Segment }

// tag writes text of the template.
func (w *writer) tag(s ...string) {
	for _, s := range s {
		w.segs = push(w.segs, Segment{s, true})
	}
}

// say writes a message's content.
func (w *writer) say(s string) { w.segs = push(w.segs, Segment{s, false}) }

// trim takes off what C's isspace knows, as llama.cpp's trim does.
func trim(s string) string { return strings.Trim(s, " \t\n\v\f\r") }
