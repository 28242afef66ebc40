// Package deploy runs a cluster on one machine from one configuration file: it
// starts node processes as isolates, mounts them in a coordinator, watches,
// restarts, scales and drains them, and shows all of it as the directory
// deploy/ of the coordinator's tree. See llama9-deploy(8).
//
// What is decided (Life, Scaler, plan) has no clock and does no I/O; the
// Supervisor has the processes, and speaks to the nodes and to the coordinator
// by their files, as anyone would.
package deploy
