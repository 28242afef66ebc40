//go:build !linux

package libffi

// Begun does nothing where the layer brings its own library.
func Begun() {}
