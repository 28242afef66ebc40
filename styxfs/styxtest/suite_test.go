package styxtest

import "testing"

func TestBareTree(t *testing.T) {
	RunBackend(t, Options{Deterministic: true, Exact: true}, &Words{})
}
