package limbo

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources gives the text of every file of these patterns, by name.
func sources(t *testing.T, patterns ...string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, p := range patterns {
		names, err := filepath.Glob(p)
		if err != nil || len(names) == 0 {
			t.Fatalf("no files %s: %v", p, err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(b)
		}
	}
	return all
}

// included are files of code that is part of another's module.
var included = regexp.MustCompile(`(?m)^include "(\w+\.b)";`)

// TestIdioms holds our Limbo to what can be seen without a compiler.
func TestIdioms(t *testing.T) {
	all := sources(t, "*.b", "cmd/*.b", "test/*.b", "module/*.m")
	parts := make(map[string]bool)
	for name, text := range all {
		for _, m := range included.FindAllStringSubmatch(text, -1) {
			parts[filepath.Join(filepath.Dir(name), m[1])] = true
		}
	}
	for name, text := range all {
		for _, w := range idioms(name, text, parts[name]) {
			t.Errorf("%s: %s", name, w)
		}
	}
}

var (
	spaced  = regexp.MustCompile(`\b(if|while|for|alt|case) \(|\)\s+\{$`)
	blank   = regexp.MustCompile(`(?m)[ \t]+$`)
	indent  = regexp.MustCompile(`(?m)^\t* +\S`)
	raised  = regexp.MustCompile(`raise ("[^"]*"|sprint\("[^"]*")`)
	loaded  = regexp.MustCompile(`(?m)(\w+) :?= load (\w+) `)
	sleeps  = regexp.MustCompile(`sys->sleep\(`)
	dropped = regexp.MustCompile(`\(nil, nil\) :?= `)
)

// idioms gives what is wrong with the text of a file; a part is included by
// another.
func idioms(name, text string, part bool) (wrong []string) {
	bad := func(s string) { wrong = append(wrong, s) }
	if n := strings.Count(text, "\n"); n > 400 {
		bad("longer than 400 lines")
	}
	if !strings.HasSuffix(text, "\n") || blank.MatchString(text) {
		bad("blanks at the end of a line, or no newline at the end")
	}
	if m := indent.FindString(text); m != "" {
		bad("indented by spaces: " + m)
	}
	for line := range strings.Lines(text) {
		code, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "#")
		if spaced.MatchString(code) {
			bad("written if (x) {, not if(x){: " + strings.TrimSpace(line))
		}
	}
	if strings.HasSuffix(name, ".m") {
		if !strings.Contains(text, "PATH:\tcon \"/dis/") {
			bad("a module without PATH")
		}
		return wrong
	}
	for _, m := range raised.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(m[1], `"fail:`) {
			bad("raises what a shell does not know: " + m[1])
		}
	}
	for _, m := range loaded.FindAllStringSubmatch(text, -1) {
		if m[2] != "Sys" && !strings.Contains(text, m[1]+" == nil") {
			bad("loads " + m[2] + " and does not look")
		}
	}
	if dropped.MatchString(text) {
		bad("drops an error with its value")
	}
	if !strings.HasPrefix(name, "test") {
		for _, loc := range sleeps.FindAllStringIndex(text, -1) {
			fn := text[:loc[0]]
			fn = fn[strings.LastIndex(fn, "\n{\n")+1:]
			fn = text[:loc[0]-len(fn)]
			lines := strings.Split(strings.TrimSpace(fn), "\n")
			if head, _, _ := strings.Cut(lines[len(lines)-1], "("); !slices.Contains(sleepers, head) {
				bad(head + " sleeps: nothing is polled")
			}
		}
	}
	if part {
		if strings.HasPrefix(text, "implement ") {
			bad("is included, and a module")
		}
		return wrong
	}
	includes := regexp.MustCompile(`(?m)^include "([^"]+)";`).FindAllStringSubmatch(text, -1)
	if !strings.HasPrefix(text, "implement ") {
		bad("is no module, and included by none")
	} else if len(includes) < 2 || includes[0][1] != "sys.m" || includes[1][1] != "draw.m" {
		bad("does not include sys.m, then draw.m")
	}
	return wrong
}

// sleepers are the functions that may sleep: a timer's proc, and the one that
// looks after a silent server.
var sleepers = []string{"sleeper", "pulse"}

// TestIdiomsAreHeld: what is wrong is found.
func TestIdiomsAreHeld(t *testing.T) {
	good := "implement X;\n\ninclude \"sys.m\";\n\tsys: Sys;\ninclude \"draw.m\";\n\nf(a: int)\n{\n\tif(a){\n\t\tg();\n\t}\n}\n"
	if w := idioms("x.b", good, false); w != nil {
		t.Fatalf("%q in what is good", w)
	}
	for _, c := range []struct{ line, want string }{
		{"\tif (a)\n", "not if(x){"},
		{"\twhile(a) {\n", "not if(x){"},
		{"    g();\n", "spaces"},
		{"\tg(); \n", "blanks"},
		{"\traise \"no such file\";\n", "raises"},
		{"\targ := load Arg Arg->PATH;\n", "does not look"},
		{"\tsys->sleep(1);\n", "f sleeps"},
		{"\t(nil, nil) = g();\n", "drops"},
		{strings.Repeat("\n", 400), "400"},
	} {
		text := strings.Replace(good, "\tif(a){\n", c.line+"\tif(a){\n", 1)
		if w := strings.Join(idioms("x.b", text, false), ", "); !strings.Contains(w, c.want) {
			t.Errorf("%q: got %q, want something with %q", c.line, w, c.want)
		}
	}
	if w := idioms("x.b", strings.TrimPrefix(good, "implement X;\n"), false); w == nil {
		t.Error("a file that no module has is good")
	}
	if w := idioms("x.m", "X: module\n{\n};\n", false); w == nil {
		t.Error("a module without PATH is good")
	}
}

// TestPage: every function of the modules and every option of the commands is
// in the manual page.
func TestPage(t *testing.T) {
	b, err := os.ReadFile("../docs/llama9.2")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.NewReplacer(`\-`, "-", `\(aq`, "'").Replace(string(b))
	page = regexp.MustCompile(`\\f.`).ReplaceAllString(page, "")
	words := 0
	want := func(pattern, what string) {
		words++
		if !regexp.MustCompile(pattern).MatchString(page) {
			t.Errorf("docs/llama9.2 lacks %s", what)
		}
	}
	for name, text := range sources(t, "module/*.m") {
		for _, m := range regexp.MustCompile(`(?m)^\t+(\w+):\s+(fn\(.*|adt)`).FindAllStringSubmatch(text, -1) {
			sig := strings.TrimSuffix(m[2], ";")
			if m[1] == "Request" || m[1] == "Reply" { // of use to no one
				continue
			}
			// the page may break a line
			pattern := regexp.MustCompile(`\s+`).ReplaceAllString(regexp.QuoteMeta(sig), `\s+`)
			want(`(?m)^\s*`+m[1]+`:\s+`+pattern, name+": "+m[1]+": "+sig)
		}
	}
	for name, text := range sources(t, "cmd/*.b") {
		if !strings.Contains(text, "\ninit(") {
			continue // no command
		}
		command := "llama9/" + strings.TrimSuffix(filepath.Base(name), ".b")
		usage := regexp.MustCompile(`setusage\("(.*)"\)`).FindStringSubmatch(text)
		if usage == nil {
			t.Errorf("%s has no usage", name)
			continue
		}
		want(`(?m)^`+regexp.QuoteMeta(usage[1])+`$`, command+": its usage "+usage[1])
		for _, m := range regexp.MustCompile(`(?m)^\t+'(\w)' =>`).FindAllStringSubmatch(text, -1) {
			want(`(?m)^\.(B|BI|BR) -`+m[1], command+" -"+m[1])
			if !strings.Contains(usage[1], "-"+m[1]) {
				t.Errorf("%s: -%s is not in its usage", name, m[1])
			}
		}
	}
	if words < 40 {
		t.Errorf("only %d words were looked for", words)
	}
}
