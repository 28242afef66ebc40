// Package limbo holds the Inferno side of llama9: Limbo modules, commands, and
// the Go tests that run them in emu (INFERNO_EMU and INFERNO_ROOT name one). See
// docs/llama9.2.
//
// What a cluster of this kind was first thought of in Inferno's terms is here
// so:
//
//	the module          llama9.b: ModelContext is a session, DisNode a
//	                    mounted server; llama9file.b and llama9text.b are
//	                    parts of it
//	the coordinator     llama9coord.b: NetworkCoordinator, in Limbo, for
//	                    networks without another, or over the one in Go
//	                    (package coord) once that is mounted
//	the isolate         llama9isolate.b: a compartment that is started again
//	manager             when its worker dies; cmd/isolate.b and cmd/worker.b
//	the deployment      not in Limbo: processes of the host are started by a
//	manager             program of the host, llama9 itself
//
// The .m files are in module, and not here: beside Go files the go command
// takes them for Objective-C.
package limbo
