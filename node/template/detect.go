package template

import "strings"

// A mark is a set of texts that together tell a family.
type mark struct {
	family string
	texts  []string
}

// marks are those of llama.cpp's llm_chat_detect_template, the first that
// fits is it.
var marks = []mark{
	{"phi4", []string{"<|im_start|>", "<|im_sep|>"}},
	{"smolvlm", []string{"<|im_start|>", "<end_of_utterance>"}},
	{"chatml", []string{"<|im_start|>"}},
	{"mistral-v7", []string{"[INST]", "[SYSTEM_PROMPT]"}},
	{"mistral-v1", []string{"[INST]", "' [INST] ' + system_message"}},
	{"mistral-v1", []string{"[INST]", "[AVAILABLE_TOOLS]", " [INST]"}},
	{"mistral-v3-tekken", []string{"[INST]", "[AVAILABLE_TOOLS]", `"[INST]"`}},
	{"mistral-v3", []string{"[INST]", "[AVAILABLE_TOOLS]"}},
	{"llama2-sys-strip", []string{"[INST]", "content.strip()"}},
	{"llama2-sys-bos", []string{"[INST]", "bos_token + '[INST]"}},
	{"llama2-sys", []string{"[INST]", "<<SYS>>"}},
	{"llama2", []string{"[INST]"}},
	{"phi3", []string{"<|assistant|>", "<|end|>"}},
	{"chatglm4", []string{"[gMASK]<sop>"}},
	{"falcon3", []string{"<|assistant|>", "<|user|>", "</s>"}},
	{"glmedge", []string{"<|assistant|>", "<|user|>"}},
	{"glmedge", []string{"<|{{ item['role'] }}|>", "<|begin_of_image|>"}},
	{"zephyr", []string{"<|user|>", "<|endoftext|>"}},
	{"monarch", []string{"bos_token + message['role']"}},
	{"gemma", []string{"<start_of_turn>"}},
	{"orion", []string{`'\n\nAssistant: ' + eos_token`}},
	{"openchat", []string{"GPT4 Correct "}},
	{"vicuna-orca", []string{"USER: ", "ASSISTANT: ", "SYSTEM: "}},
	{"vicuna", []string{"USER: ", "ASSISTANT: "}},
	{"deepseek", []string{"### Instruction:", "<|EOT|>"}},
	{"command-r", []string{"<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>"}},
	{"llama3", []string{"<|start_header_id|>", "<|end_header_id|>"}},
	{"chatglm3", []string{"[gMASK]sop"}},
	{"minicpm", []string{"<用户>"}},
	{"deepseek2", []string{"'Assistant: ' + message['content'] + eos_token"}},
	{"deepseek3", []string{"<｜Assistant｜>", "<｜User｜>", "<｜end▁of▁sentence｜>"}},
	{"exaone4", []string{"[|system|]", "[|assistant|]", "[|endofturn|]", "[|tool|]"}},
	{"exaone3", []string{"[|system|]", "[|assistant|]", "[|endofturn|]"}},
	{"rwkv-world", []string{"rwkv-world"}},
	{"rwkv-world", []string{`{{- 'User: ' + message['content']|trim + '\n\n' -}}`}},
	{"granite", []string{"<|start_of_role|>"}},
	{"gigachat", []string{"message['role'] + additional_special_tokens[0] + message['content'] + additional_special_tokens[1]"}},
	{"megrez", []string{"<|role_start|>"}},
	{"yandex", []string{" Ассистент:"}},
	{"bailing", []string{"<role>ASSISTANT</role>", "'HUMAN'"}},
	{"llama4", []string{"<|header_start|>", "<|header_end|>"}},
	{"dots1", []string{"<|endofuserprompt|>"}},
	{"hunyuan-moe", []string{"<|startoftext|>", "<|extra_4|>"}},
	{"hunyuan-dense", []string{"<｜hy_place▁holder▁no▁2｜>", "<｜hy_place▁holder▁no▁3｜>"}},
	{"kimi-k2", []string{"<|im_assistant|>assistant<|im_middle|>"}},
}

// detect gives the name of the family whose marks text carries, "" none.
func detect(text string) string {
next:
	for _, m := range marks {
		for _, s := range m.texts {
			if !strings.Contains(text, s) {
				continue next
			}
		}
		return m.family
	}
	return ""
}
