package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"llama9/node"
	"llama9/tests/bench"
)

// nodeLlama runs the script of tests/bench.
type nodeLlama struct {
	b       *benchmark
	dir     string
	version string
}

// A nodeRate is a level of the script's answer, a value each time.
type nodeRate struct {
	Prefill []float64 `json:"prefill"`
	Decode  []float64 `json:"decode"`
}

// newNodeLlama installs node-llama-cpp, at the version of the lock, into the
// user's cache.
func newNodeLlama(ctx context.Context, b *benchmark) (*nodeLlama, error) {
	for _, prog := range []string{"npm", "node"} {
		if _, err := exec.LookPath(prog); err != nil {
			return nil, fmt.Errorf("there is no %s", prog)
		}
	}
	binaries, ok := map[string]string{
		"linux/amd64": "linux-x64", "linux/arm64": "linux-arm64",
		"darwin/arm64": "mac-arm64-metal", "darwin/amd64": "mac-x64",
	}[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return nil, fmt.Errorf("it has no libraries for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	n := &nodeLlama{b: b, dir: filepath.Join(cache, "llama9", "bench")}
	var have struct{ Version string }
	meta := filepath.Join(n.dir, "node_modules", "node-llama-cpp", "package.json")
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return nil, err
	}
	var lock struct {
		Packages map[string]struct{ Version string }
	}
	err = fs.WalkDir(bench.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := bench.Files.ReadFile(path)
		if err != nil {
			return err
		}
		if path == "package-lock.json" {
			if err := json.Unmarshal(data, &lock); err != nil {
				return err
			}
		}
		return os.WriteFile(filepath.Join(n.dir, path), data, 0o644)
	})
	if err != nil {
		return nil, err
	}
	n.version = lock.Packages["node_modules/node-llama-cpp"].Version
	if data, err := os.ReadFile(meta); err == nil && json.Unmarshal(data, &have) == nil && have.Version == n.version {
		if _, err := os.Stat(filepath.Join(n.dir, "node_modules", "@node-llama-cpp", binaries)); err == nil {
			return n, nil
		}
	}
	fmt.Fprintf(b.log, "installing node-llama-cpp %s by npm\n", n.version)
	quiet := []string{"install", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"}
	// Its libraries for every GPU are optional packages, of 600 MB; one is wanted.
	for _, more := range [][]string{nil, {"--no-save", "--no-package-lock", "@node-llama-cpp/" + binaries + "@" + n.version}} {
		cmd := exec.CommandContext(ctx, "npm", append(quiet[:len(quiet):len(quiet)], more...)...)
		cmd.Dir = n.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("npm install: %w: %s", err, bytes.TrimSpace(out))
		}
	}
	return n, nil
}

// round does each work as often as the tree and the engine do: few measures of
// it beside many of theirs would make its luck that of all ratios.
func (n *nodeLlama) round(ctx context.Context, works []work) ([]nodeRate, error) {
	type promptsOf struct {
		Prefill [][]node.Token `json:"prefill"`
		Decode  [][]node.Token `json:"decode"`
		Times   int            `json:"times"`
	}
	job := map[string]any{"model": n.b.file, "n_ctx": n.b.nctx(), "n_batch": 2048, "threads": n.b.threads, "predict": n.b.predict}
	var levels []promptsOf
	for _, w := range works {
		levels = append(levels, promptsOf{idsOf(w.prefill), idsOf(w.decode), n.b.pairs(len(w.decode))})
	}
	job["levels"] = levels
	in, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "node", "node-llama-cpp.mjs")
	cmd.Dir, cmd.Stdin = n.dir, bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return nil, err
	}
	var answer struct{ Rates []nodeRate }
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, fmt.Errorf("its answer %q: %w", out, err)
	}
	if len(answer.Rates) != len(works) {
		return nil, fmt.Errorf("%d levels answered, %d asked", len(answer.Rates), len(works))
	}
	for i, r := range answer.Rates {
		if times := levels[i].Times; len(r.Prefill) != times || len(r.Decode) != times {
			return nil, fmt.Errorf("level %d was measured %d times, not %d", i, len(r.Decode), times)
		}
	}
	return answer.Rates, nil
}
