// Package model holds the demo model: a language model small enough to embed
// and real enough to talk, so that a node runs with nothing else at hand.
// README.md beside this file says where it comes from.
package model

import _ "embed"

// Demo is the whole of demo.gguf, 3.1 MB. Do not change it.
//
//go:embed demo.gguf
var Demo []byte

// DemoSHA256 is the digest of Demo, in hexadecimal, as README.md states it.
const DemoSHA256 = "5f71a8650eb5433b79dc82a9e27922a8d37f91c2976ea5b60684e9696217d0e5"
