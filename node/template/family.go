package template

import (
	"maps"
	"slices"
	"strings"

	"llama9/styxfs"
)

// Names are the families that Named knows, sorted.
func Names() []string { return slices.Sorted(maps.Keys(families)) }

// families go by the names of LLM_CHAT_TEMPLATES in llama.cpp's
// src/llama-chat.cpp. The ones in which a message is a head, its content and
// a tail are in this table; the others in special.go and mistral.go.
var families = map[string]family{
	"chatml":        framed{head: "<|im_start|>{role}\n", tail: "<|im_end|>\n", open: "<|im_start|>assistant\n"}.write,
	"phi3":          framed{head: "<|{role}|>\n", tail: "<|end|>\n", open: "<|assistant|>\n"}.write,
	"phi4":          framed{head: "<|im_start|>{role}<|im_sep|>", tail: "<|im_end|>", open: "<|im_start|>assistant<|im_sep|>"}.write,
	"falcon3":       framed{head: "<|{role}|>\n", tail: "\n", open: "<|assistant|>\n"}.write,
	"zephyr":        framed{head: "<|{role}|>\n", tail: "<|endoftext|>\n", open: "<|assistant|>\n"}.write,
	"llama3":        framed{head: "<|start_header_id|>{role}<|end_header_id|>\n\n", tail: "<|eot_id|>", open: "<|start_header_id|>assistant<|end_header_id|>\n\n", trim: true}.write,
	"llama4":        framed{head: "<|header_start|>{role}<|header_end|>\n\n", tail: "<|eot|>", open: "<|header_start|>assistant<|header_end|>\n\n", trim: true}.write,
	"chatglm3":      framed{begin: "[gMASK]sop", head: "<|{role}|>\n ", open: "<|assistant|>"}.write,
	"chatglm4":      framed{begin: "[gMASK]<sop>", head: "<|{role}|>\n", open: "<|assistant|>\n"}.write,
	"glmedge":       framed{head: "<|{role}|>\n", open: "<|assistant|>"}.write,
	"granite":       framed{head: "<|start_of_role|>{role}<|end_of_role|>", tail: "<|end_of_text|>\n", open: "<|start_of_role|>assistant<|end_of_role|>"}.write,
	"megrez":        framed{head: "<|role_start|>{role}<|role_end|>", tail: "<|turn_end|>", open: "<|role_start|>assistant<|role_end|>"}.write,
	"vicuna":        byRole{system: {"", "\n\n"}, user: {"USER: ", "\n"}, assistant: {"ASSISTANT: ", "</s>\n"}}.with("", "ASSISTANT:", false),
	"vicuna-orca":   byRole{system: {"SYSTEM: ", "\n"}, user: {"USER: ", "\n"}, assistant: {"ASSISTANT: ", "</s>\n"}}.with("", "ASSISTANT:", false),
	"openchat":      byRole{system: {"", "<|end_of_turn|>"}, user: {"GPT4 Correct User: ", "<|end_of_turn|>"}, assistant: {"GPT4 Correct Assistant: ", "<|end_of_turn|>"}, tool: {"GPT4 Correct Tool: ", "<|end_of_turn|>"}}.with("", "GPT4 Correct Assistant:", false),
	"deepseek":      byRole{system: {"", ""}, user: {"### Instruction:\n", "\n"}, assistant: {"### Response:\n", "\n<|EOT|>\n"}}.with("", "### Response:\n", false),
	"deepseek2":     byRole{system: {"", "\n\n"}, user: {"User: ", "\n\n"}, assistant: {"Assistant: ", "<｜end▁of▁sentence｜>"}}.with("", "Assistant:", false),
	"deepseek3":     byRole{system: {"", "\n\n"}, user: {"<｜User｜>", ""}, assistant: {"<｜Assistant｜>", "<｜end▁of▁sentence｜>"}}.with("", "<｜Assistant｜>", false),
	"command-r":     byRole{system: {"<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>", "<|END_OF_TURN_TOKEN|>"}, user: {"<|START_OF_TURN_TOKEN|><|USER_TOKEN|>", "<|END_OF_TURN_TOKEN|>"}, assistant: {"<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>", "<|END_OF_TURN_TOKEN|>"}}.with("", "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>", true),
	"exaone3":       byRole{system: {"[|system|]", "[|endofturn|]\n"}, user: {"[|user|]", "\n"}, assistant: {"[|assistant|]", "[|endofturn|]\n"}}.with("", "[|assistant|]", true),
	"exaone4":       byRole{system: {"[|system|]", "[|endofturn|]\n"}, user: {"[|user|]", "\n"}, assistant: {"[|assistant|]", "[|endofturn|]\n"}, tool: {"[|tool|]", "[|endofturn|]\n"}}.with("", "[|assistant|]", true),
	"minicpm":       byRole{system: {"", ""}, user: {"<用户>", "<AI>"}, assistant: {"", ""}, tool: {"", ""}}.with("", "", true),
	"yandex":        byRole{user: {" Пользователь: ", "\n\n"}, assistant: {" Ассистент: ", "\n\n"}}.with("", " Ассистент:[SEP]", false),
	"smolvlm":       byRole{system: {"", "\n\n"}, user: {"User: ", "<end_of_utterance>\n"}, assistant: {"Assistant: ", "<end_of_utterance>\n"}, tool: {"Assistant: ", "<end_of_utterance>\n"}}.with("<|im_start|>", "Assistant:", false),
	"dots1":         byRole{system: {"<|system|>", "<|endofsystem|>"}, user: {"<|userprompt|>", "<|endofuserprompt|>"}, assistant: {"<|response|>", "<|endofresponse|>"}, tool: {"<|response|>", "<|endofresponse|>"}}.with("", "<|response|>", false),
	"bailing":       byRole{system: {"<role>SYSTEM</role>", ""}, user: {"<role>HUMAN</role>", ""}, assistant: {"<role>ASSISTANT</role>", ""}, tool: {"<role>TOOL</role>", ""}}.with("", "<role>ASSISTANT</role>", false),
	"hunyuan-moe":   byRole{system: {"<|startoftext|>", "<|extra_4|>"}, user: {"<|startoftext|>", "<|extra_0|>"}, assistant: {"", "<|eos|>"}, tool: {"<|startoftext|>", "<|extra_0|>"}}.with("", "", false),
	"kimi-k2":       byRole{system: {"<|im_system|>system<|im_middle|>", "<|im_end|>"}, user: {"<|im_user|>user<|im_middle|>", "<|im_end|>"}, assistant: {"<|im_assistant|>assistant<|im_middle|>", "<|im_end|>"}, tool: {"<|im_system|>tool<|im_middle|>", "<|im_end|>"}}.with("", "<|im_assistant|>assistant<|im_middle|>", false),
	"gigachat":      gigachat,
	"gemma":         gemma,
	"hunyuan-dense": hunyuanDense,
	"monarch":       monarch,
	"orion":         orion,
	"rwkv-world":    rwkvWorld,

	"llama2":            llama2{}.write,
	"llama2-sys":        llama2{sys: true}.write,
	"llama2-sys-bos":    llama2{sys: true, bos: true}.write,
	"llama2-sys-strip":  llama2{sys: true, strip: true}.write,
	"mistral-v1":        mistral{lead: " ", trail: " "}.write,
	"mistral-v3":        mistral{trail: " ", strip: true}.write,
	"mistral-v3-tekken": mistral{}.write,
	"mistral-v7":        mistral7(" "),
	"mistral-v7-tekken": mistral7(""),
}

// framed is a family whose messages differ by the word of their role.
type framed struct {
	begin, head, tail, open string
	trim                    bool
}

func (f framed) write(w *writer, msgs []styxfs.Message) {
	w.tag(f.begin)
	for _, m := range msgs {
		w.tag(strings.ReplaceAll(f.head, "{role}", m.Role))
		if f.trim {
			m.Content = trim(m.Content)
		}
		w.say(m.Content)
		w.tag(f.tail)
	}
	w.tag(f.open)
}

// The roles, as keys of byRole.
const (
	system    = "system"
	user      = "user"
	assistant = "assistant"
	tool      = "tool"
)

// byRole is a family with a frame for each role; a message of a role without
// one is left out, as llama.cpp does.
type byRole map[string]frame

type frame struct{ head, tail string }

func (f byRole) with(begin, open string, strip bool) family {
	return func(w *writer, msgs []styxfs.Message) {
		w.tag(begin)
		for _, m := range msgs {
			fr, ok := f[m.Role]
			if !ok {
				continue
			}
			if strip {
				m.Content = trim(m.Content)
			}
			w.tag(fr.head)
			w.say(m.Content)
			w.tag(fr.tail)
		}
		w.tag(open)
	}
}
