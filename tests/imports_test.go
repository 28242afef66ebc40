package tests

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The import table: which packages of ours a package may import, and which
// modules of others. A folder that is not here may not exist. It is the shape
// of the house: the wire knows no tree, the tree no model, and the coordinator
// speaks to nodes by their files alone.
var table = map[string]struct{ ours, others []string }{
	"ninep":               {nil, []string{"golang.org/x/sys", "github.com/knusbaum/go9p/proto", "github.com/hugelgupf/p9"}},
	"mnt":                 {[]string{"ninep"}, nil},
	"fuse":                {[]string{"mnt", "ninep"}, []string{"github.com/hanwen/go-fuse", "golang.org/x/sys"}},
	"styxfs":              {[]string{"ninep"}, []string{"github.com/prometheus"}},
	"queue":               {nil, nil},
	"journal":             {nil, []string{"golang.org/x/sys"}},
	"styxfs/styxtest":     {[]string{"styxfs", "ninep", "mnt"}, nil},
	"node":                {[]string{"styxfs", "queue", "node/template", "node/gbnf"}, []string{"github.com/prometheus"}},
	"node/template":       {[]string{"styxfs", "node/template/jinja"}, nil},
	"node/template/jinja": {nil, nil},
	"node/gbnf":           {nil, nil},
	"node/enginetest":     {[]string{"node", "styxfs", "model"}, nil},
	"node/gguf":           {[]string{"node"}, nil},
	"node/fit":            {[]string{"node", "node/gguf"}, nil},
	"node/cpplog":         {nil, nil},
	"node/kvstate":        {nil, nil},
	"node/fake":           {[]string{"node", "styxfs", "node/gbnf"}, nil},
	"node/llamacpp":       {[]string{"node", "styxfs", "node/gbnf", "node/gguf", "node/fit", "node/cpplog", "node/kvstate"}, nil},
	"node/llama":          {[]string{"node", "node/llamacpp", "node/fit", "node/cpplog", "node/llama/libffi"}, []string{"github.com/hybridgroup/yzma", "github.com/ebitengine/purego", "github.com/jupiterrider/ffi", "golang.org/x/sys"}},
	"node/llama/libffi":   {nil, nil},
	"node/ollama":         {[]string{"node", "node/llamacpp", "node/fit", "node/cpplog"}, []string{"C", "github.com/ollama/ollama/llama", "golang.org/x/sys"}},
	"coord":               {[]string{"styxfs", "mnt", "ninep", "queue"}, []string{"github.com/prometheus"}},
	"deploy":              {[]string{"mnt", "ninep", "styxfs"}, []string{"go.yaml.in/yaml/v4", "golang.org/x/sys"}},
	"limbo":               {nil, nil},
	"model":               {nil, nil},
	"tests/bench":         {nil, nil},
	"tests/proc":          {nil, nil},
	"tests/peers":         {nil, nil}, // tests only
	"tests/kernel":        {nil, nil}, // tests only
	"tests":               {nil, nil}, // tests only
	"cmd/llama9":          {[]string{"*"}, []string{"*"}},
}

func TestImportTable(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "llama9/...")
	cmd.Dir = ".."
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		pkg := strings.TrimPrefix(f[0], "llama9/")
		may, ok := table[pkg]
		if !ok {
			t.Errorf("%s: not in the import table", pkg)
			continue
		}
		seen++
		for _, imp := range f[1:] {
			if !allowed(imp, may.ours, may.others) {
				t.Errorf("%s may not import %s", pkg, imp)
			}
		}
	}
	if seen < 8 {
		t.Errorf("go list gave %d of our packages", seen)
	}
}

func allowed(imp string, ours, others []string) bool {
	if own, ok := strings.CutPrefix(imp, "llama9/"); ok {
		return slices.Contains(ours, own) || slices.Contains(ours, "*")
	}
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return imp != "C" || slices.Contains(others, "C") // the standard library; cgo in one place
	}
	return slices.ContainsFunc(others, func(m string) bool {
		return m == "*" || imp == m || strings.HasPrefix(imp, m+"/")
	})
}
