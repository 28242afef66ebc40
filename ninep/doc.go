// Package ninep serves 9P: one connection engine with the dialects 9P2000 and
// 9P2000.L over one neutral file interface, Node and Handle. See intro(5).
//
// A Server serves an FS on listeners or single connections. It keeps the fids,
// tags and permissions, answers Tflush, and closes what a client leaves open;
// a Node is asked only for what it alone can know. Listen, Stdio and SrvAddr
// are the ways to reach a server; Fcall is a message of 9P2000, for servers,
// clients and traces alike, and Lcall one of 9P2000.L.
//
// A client chooses its dialect by the version that it asks for. 9P2000.L is for
// Linux's v9fs and the clients made after it: errors are numbers, users too, a
// Linker is a symbolic link, and a blocked read that only asks for the rest of a
// buffer ends at once. Nodes and Handles need not know which one is spoken.
package ninep
