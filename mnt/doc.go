// Package mnt is a 9P2000 client: Dial, walk, open, read and write with
// contexts, where a done context is a Tflush. See intro(5).
package mnt
