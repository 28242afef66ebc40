//go:build ollama && !(cgoflags && cgo)

package ollama

// The compiler shows this line to who builds with the tag ollama alone.
var _ = run_scripts_build_ollama__it_sets_the_flags_of_cgo
