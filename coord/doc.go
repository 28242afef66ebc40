// Package coord is the coordinator: a styxfs.Backend that places turns on
// mounted nodes, watches their health, and goes on with a running answer on
// another node when one dies.
package coord
