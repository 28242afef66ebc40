//go:build !linux

package libffi
