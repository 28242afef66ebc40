// Package jinja renders the chat templates that models carry in their GGUF
// metadata (tokenizer.chat_template), in the part of Jinja2 that they use,
// with trim_blocks and lstrip_blocks on, as the transformers library and
// llama-server set them.
//
// It differs from a general Jinja in two ways, which are why it exists.
//
// A template is data from a model file and may be hostile. A rendering has a
// budget of steps, of bytes and of call depth, and ends with an error when one
// is spent; a template reaches no file, no clock but the one it is given, and
// no Go value but those of this package.
//
// A string remembers which of its bytes came from outside (Mark). Trimming,
// splitting, slicing, joining and replacing keep that, so the caller knows
// exactly which bytes of the rendering are message contents. An operation that
// cannot keep it marks its whole result: too much is marked, never too little.
package jinja
