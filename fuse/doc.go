// Package fuse shows a tree that mnt is attached to as a file system of the
// kernel, through /dev/fuse: for machines and users that cannot have the
// kernel's own 9P client. Root mounts by mount(2), everyone else by
// fusermount3.
//
//	m, err := fuse.Mount(fs, "/n/llama", fuse.Options{Source: addr})
//	m.Wait() // until it is unmounted
//
// Nothing is cached, neither names nor attributes nor data, and a read gives
// what one Tread gave: a stream arrives as it is made. An interrupted program
// is a Tflush. When the connection is lost every call fails at once with
// ENOTCONN, until Server.Use gives another one.
//
// A process must not use files of its own mount: a call that the runtime does
// not know to block would wait for the goroutine that is to answer it.
package fuse
