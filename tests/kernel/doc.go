// Package kernel tries the served tree on real Linux kernels: Debian's, booted
// by qemu without KVM, with an initramfs of busybox and the host's own cat, ls,
// find and so on, which mounts a node of the test over TCP, and llama9 itself.
// The script fetch brings the kernels. Where something of it is missing the tests are skipped,
// and say so; with CI=true they fail.
package kernel
