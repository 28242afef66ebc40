// Package bench holds what `llama9 bench` runs beside the tree: the script for
// node-llama-cpp, with the versions of all it depends on.
package bench

import "embed"

// Files are package.json, package-lock.json and node-llama-cpp.mjs.
//
//go:embed package.json package-lock.json node-llama-cpp.mjs
var Files embed.FS
