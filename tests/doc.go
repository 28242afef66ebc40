// Package tests holds the tests of the whole program, the table of imports,
// and run, which does everything.
package tests
