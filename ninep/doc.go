// Package ninep serves 9P: one connection engine with the dialects 9P2000 and
// 9P2000.L over one neutral file interface, Node and Handle. See intro(5).
package ninep
