// Package limbo holds the Inferno side of llama9: the Limbo module, its
// commands, and the Go tests that run them in emu.
package limbo
