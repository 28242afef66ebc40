// Package mnt is a 9P2000 client. Dial attaches to a server's tree, an Fsys;
// files are opened by path, read and written with contexts, and a done
// context is a Tflush. What belongs together goes out together: see Batch.
// See intro(5).
//
//	fs, err := mnt.Dial(ctx, "tcp!127.0.0.1!5640", mnt.Options{})
//	b, err := fs.ReadFile(ctx, "infer/last/out")
//
// Nothing that a server sends is believed: frames are bounded by the msize
// agreed on, data by the count asked for, and a server that answers what was
// not asked loses the connection, which fails every call at once with an
// error that is ninep.ErrHangup; what is asked of its files later is
// ninep.ErrStale too. Only a Redial connects again by itself, and it opens no
// file again. A Graft serves a directory of a remote tree in a local one.
package mnt
