package template

import "llama9/styxfs"

// The families that put a turn between [INST] and [/INST].

// llama2 is Llama 2's with its variants: sys marks a system message, bos puts
// <s> before every turn but the first, strip trims contents.
type llama2 struct{ sys, bos, strip bool }

func (f llama2) write(w *writer, msgs []styxfs.Message) {
	w.tag("[INST] ")
	inside := true
	for _, m := range msgs {
		if f.strip {
			m.Content = trim(m.Content)
		}
		if !inside {
			inside = true
			if f.bos {
				w.tag("<s>")
			}
			w.tag("[INST] ")
		}
		switch {
		case m.Role == system && f.sys:
			w.tag("<<SYS>>\n")
			w.say(m.Content)
			w.tag("\n<</SYS>>\n\n")
		case m.Role == system:
			w.say(m.Content)
			w.tag("\n")
		case m.Role == user:
			w.say(m.Content)
			w.tag(" [/INST]")
		default:
			w.say(m.Content)
			w.tag("</s>")
			inside = false
		}
	}
}

// mistral is Mistral's to version 3, whose versions differ by their spaces.
type mistral struct {
	lead, trail string
	strip       bool // the assistant's contents
}

func (f mistral) write(w *writer, msgs []styxfs.Message) {
	inside := false
	for _, m := range msgs {
		if !inside {
			w.tag(f.lead, "[INST]", f.trail)
			inside = true
		}
		switch m.Role {
		case system:
			w.say(m.Content)
			w.tag("\n\n")
		case user:
			w.say(m.Content)
			w.tag(f.lead, "[/INST]")
		default:
			if f.strip {
				m.Content = trim(m.Content)
			}
			w.tag(f.trail)
			w.say(m.Content)
			w.tag("</s>")
			inside = false
		}
	}
}

// mistral7 is Mistral's version 7, with space after its tags or without.
func mistral7(space string) family {
	return func(w *writer, msgs []styxfs.Message) {
		for _, m := range msgs {
			switch m.Role {
			case system:
				w.tag("[SYSTEM_PROMPT]", space)
				w.say(m.Content)
				w.tag("[/SYSTEM_PROMPT]")
			case user:
				w.tag("[INST]", space)
				w.say(m.Content)
				w.tag("[/INST]")
			default:
				w.tag(space)
				w.say(m.Content)
				w.tag("</s>")
			}
		}
	}
}
