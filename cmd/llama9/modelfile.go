package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"llama9/node"
	"llama9/styxfs"
)

// specs are the models to serve, the default first. Each file is looked at,
// so that what is plainly no model is refused by the name of the flag. demo is
// what stands for no model.
func (e *engineFlags) specs(demo string) ([]node.Spec, error) {
	files := e.models
	if len(files) == 0 && len(e.loads) == 0 {
		files = []string{demo}
	}
	if len(e.aliases) > len(files) {
		return nil, fmt.Errorf("--alias %s: there are only %d models; give one --alias for each -m, in their order", e.aliases[len(files)], len(files))
	}
	var specs []node.Spec
	for i, file := range files {
		if !e.isFake(file) {
			if err := checkModel(file); err != nil {
				return nil, fmt.Errorf("--model %s: %w", file, err)
			}
			abs, err := filepath.Abs(file)
			if err != nil {
				return nil, err
			}
			file = abs
		}
		name := strings.TrimSuffix(filepath.Base(file), ".gguf")
		if len(e.models) == 0 {
			name = "demo"
		}
		if i < len(e.aliases) {
			name = e.aliases[i]
		}
		s, err := node.ParseSpec(append([]string{name, file}, e.words...))
		if err != nil {
			return nil, err
		}
		specs = append(specs, s)
	}
	for _, line := range e.loads {
		s, err := e.loadSpec(line)
		if err != nil {
			return nil, fmt.Errorf("--load %s: %w", line, err)
		}
		specs = append(specs, s)
	}
	return specs, nil
}

// loadSpec reads the value of --load.
func (e *engineFlags) loadSpec(line string) (node.Spec, error) {
	words, err := styxfs.Fields(line)
	if err != nil {
		return node.Spec{}, err
	}
	s, err := node.ParseSpec(words)
	if err != nil || e.isFake(s.File) {
		return s, err
	}
	if err := checkModel(s.File); err != nil {
		return s, err
	}
	s.File, err = filepath.Abs(s.File)
	return s, err
}

func (e *engineFlags) isFake(file string) bool {
	return e.engine == "fake" && strings.HasPrefix(file, "fake:")
}

// checkModel says why file cannot be a model; more is found when it is loaded.
func checkModel(file string) error {
	fi, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("%w; name a GGUF file, or leave -m out for the demo model", unwrapPath(err))
	}
	if !fi.Mode().IsRegular() {
		return errors.New("not a file; name the GGUF file itself")
	}
	f, err := os.Open(file)
	if err != nil {
		return unwrapPath(err)
	}
	defer f.Close()
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil || string(magic[:]) != "GGUF" {
		return errors.New("not a GGUF file; llama.cpp's convert_hf_to_gguf.py makes them")
	}
	return nil
}
