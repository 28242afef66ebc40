// Package node is a styxfs.Backend over an inference Engine: a scheduler with
// continuous batching over parallel slots, a prefix cache, sampling, stop
// strings, a bounded queue, and models on demand.
package node
