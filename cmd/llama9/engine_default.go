//go:build !(ollama && nollama)

package main

// defaultEngine is what --engine is where it is not given.
const defaultEngine = "llama"
