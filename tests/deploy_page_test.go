package tests

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"llama9/ninep"
)

// TestDeployPage: every command, flag, file, attribute and setting of a
// deployment, and every key of its configuration, is in its manual page.
func TestDeployPage(t *testing.T) {
	d := deploy(t, "fake:tiny", 1, "", true)
	text := page(t, "llama9-deploy.8")
	words := 0
	want := func(word, what string) {
		words++
		if !hasWord(text, word) {
			t.Errorf("docs/llama9-deploy.8 lacks %s %s", what, word)
		}
	}
	list, err := d.fs.ReadDir(t.Context(), "deploy")
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range list {
		want("deploy/"+st.Name, "the file")
		if st.Mode&ninep.DMDIR == 0 && st.Length != 0 {
			t.Errorf("%s: length %d", st.Name, st.Length)
		}
	}
	for line := range strings.Lines(readFile(t, d.fs, "deploy/ctl")) {
		want(strings.Fields(line)[0], "the setting")
	}
	for _, m := range regexp.MustCompile(`(?:^| |\n)([a-z_/]+)=`).FindAllStringSubmatch(readFile(t, d.fs, "deploy/status"), -1) {
		want(m[1]+"=", "the attribute")
	}
	help := command(t, "", "deploy", "--help")
	_, commands, _ := strings.Cut(help, "Available Commands:")
	commands, _, _ = strings.Cut(commands, "\n\n")
	for _, c := range regexp.MustCompile(`(?m)^  ([a-z-]+) `).FindAllStringSubmatch(commands, -1) {
		want(c[1], "the command")
		out, err := exec.Command(program, "deploy", c[1], "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^ +(-[a-zA-Z], )?--([a-z-]+)`).FindAllStringSubmatch(string(out), -1) {
			if m[2] == "help" {
				continue
			}
			want("--"+m[2], "of "+c[1]+" the flag")
			if short := strings.TrimSuffix(m[1], ", "); short != "" {
				want(short, "of "+c[1]+" the flag")
			}
		}
	}
	b, err := os.ReadFile("../deploy/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	var walk func(s map[string]any)
	walk = func(s map[string]any) {
		if items, ok := s["items"].(map[string]any); ok {
			s = items
		}
		props, _ := s["properties"].(map[string]any)
		for key, p := range props {
			want(key, "the key")
			walk(p.(map[string]any))
		}
	}
	walk(schema)
	if words < 120 {
		t.Errorf("only %d words were looked for", words)
	}
}
