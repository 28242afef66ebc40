// Package styxfs serves the llama9 tree (docs/llama9.4) over a Backend:
// sessions, turns, the conversation, and the kinds of file that show them.
// A node and a coordinator serve this same tree and differ in their Backend.
package styxfs
