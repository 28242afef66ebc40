//go:build !nollama && (((freebsd || linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package template_test

import (
	"os"
	"strings"
	"testing"

	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node/llama"
	"llama9/node/template"
	"llama9/styxfs"
)

// apply lets llama.cpp render msgs by its built-in template tmpl, a name or a
// Jinja text with the marks of one; "" if it knows none.
func apply(tmpl string, msgs []styxfs.Message) string {
	var chat []yzma.ChatMessage
	for _, m := range msgs {
		chat = append(chat, yzma.NewChatMessage(m.Role, m.Content))
	}
	buf := make([]byte, 1<<14)
	n := yzma.ChatApplyTemplate(tmpl, chat, true, buf)
	return string(buf[:max(n, 0)])
}

// TestLibrary holds the families against llama.cpp's own.
func TestLibrary(t *testing.T) {
	dir, err := llama.Find("")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err) // nothing may be left out there
		}
		t.Skipf("LEFT OUT, %v: llama9 engine install", err)
	}
	if _, err := llama.Open(llama.Options{Lib: dir}); err != nil {
		t.Fatal(err)
	}
	chats := [][]styxfs.Message{
		{{Role: "user", Content: "Hi"}},
		{{Role: "system", Content: " S "}, {Role: "user", Content: " A\n"}, {Role: "assistant", Content: " B "}, {Role: "user", Content: "C"}},
	}
	same := func(name, by string, msgs []styxfs.Message) {
		tm, err := template.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		segs, err := tm.Render(msgs, template.Vars{})
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, s := range segs {
			got.WriteString(s.Text)
		}
		if want := apply(by, msgs); got.String() != want {
			t.Errorf("%s by %q\ngives %q\nwant  %q", name, by, got.String(), want)
		}
	}
	for _, name := range template.Names() {
		if name == "dots1" {
			continue // known to llama.cpp by its marks alone
		}
		same(name, name, chats[0])
		if name != "hunyuan-dense" { // see there
			same(name, name, chats[1])
		}
	}
	template.Marks(func(name, text string) {
		if !strings.HasPrefix(name, "hunyuan") { // their marks are later than the library
			same(name, text, chats[0])
		}
	})
}
