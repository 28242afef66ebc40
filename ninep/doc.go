// Package ninep serves 9P: one connection engine with the dialects 9P2000 and
// 9P2000.L over one neutral file interface, Node and Handle. See intro(5).
//
// A Server serves an FS on listeners or single connections. It keeps the fids,
// tags and permissions, answers Tflush, and closes what a client leaves open;
// a Node is asked only for what it alone can know. Listen, Stdio and SrvAddr
// are the ways to reach a server; Fcall is a message of 9P2000, for servers,
// clients and traces alike.
package ninep
