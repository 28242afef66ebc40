package template

import "llama9/styxfs"

// The families of llama.cpp that carry something from message to message.

// gemma has no system message: its text goes before that of the next user.
func gemma(w *writer, msgs []styxfs.Message) {
	sys := ""
	for _, m := range msgs {
		if m.Role == system {
			sys += trim(m.Content)
			continue
		}
		role := m.Role
		if role == assistant {
			role = "model"
		}
		w.tag("<start_of_turn>", role, "\n")
		if sys != "" && role != "model" {
			w.say(sys)
			w.tag("\n\n")
			sys = ""
		}
		w.say(trim(m.Content))
		w.tag("<end_of_turn>\n")
	}
	w.tag("<start_of_turn>model\n")
}

func orion(w *writer, msgs []styxfs.Message) {
	sys := ""
	for _, m := range msgs {
		switch m.Role {
		case system:
			sys += m.Content
		case user:
			w.tag("Human: ")
			if sys != "" {
				w.say(sys)
				w.tag("\n\n")
				sys = ""
			}
			w.say(m.Content)
			w.tag("\n\nAssistant: </s>")
		default:
			w.say(m.Content)
			w.tag("</s>")
		}
	}
}

func monarch(w *writer, msgs []styxfs.Message) {
	for i, m := range msgs {
		if i > 0 {
			w.tag("<s>")
		}
		w.tag(m.Role, "\n")
		w.say(m.Content)
		w.tag("</s>\n")
	}
	w.tag("<s>assistant\n")
}

// rwkvWorld ends a turn with an empty line, which its model takes for the end.
func rwkvWorld(w *writer, msgs []styxfs.Message) {
	heads := map[string]string{system: "System: ", user: "User: ", assistant: "Assistant: "}
	for i, m := range msgs {
		head, ok := heads[m.Role]
		if !ok {
			continue
		}
		w.tag(head)
		w.say(trim(m.Content))
		w.tag("\n\n")
		if m.Role == user && i == len(msgs)-1 {
			w.tag("Assistant:")
		}
	}
}

func gigachat(w *writer, msgs []styxfs.Message) {
	w.tag("<s>")
	for i, m := range msgs {
		switch {
		case i == 0 && m.Role == system:
			w.say(m.Content)
			w.tag("<|message_sep|>")
		case m.Role == user:
			w.tag("user<|role_sep|>")
			w.say(m.Content)
			w.tag("<|message_sep|>available functions<|role_sep|>[]<|message_sep|>")
		case m.Role == assistant:
			w.tag("assistant<|role_sep|>")
			w.say(m.Content)
			w.tag("<|message_sep|>")
		}
	}
	w.tag("assistant<|role_sep|>")
}

// hunyuanDense opens an answer once; llama.cpp does it twice, after a question
// and before its answer, which the model's own template does not.
func hunyuanDense(w *writer, msgs []styxfs.Message) {
	for i, m := range msgs {
		switch {
		case i == 0 && m.Role == system:
			w.say(m.Content)
			w.tag("<｜hy_place▁holder▁no▁3｜>")
		case m.Role == assistant:
			w.tag("<｜hy_Assistant｜>")
			w.say(m.Content)
			w.tag("<｜hy_place▁holder▁no▁2｜>")
		case m.Role == user:
			w.tag("<｜hy_User｜>")
			w.say(m.Content)
		}
	}
	w.tag("<｜hy_Assistant｜>")
}
