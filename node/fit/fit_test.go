package fit

import (
	"strings"
	"testing"
)

func TestFits(t *testing.T) {
	var n Need
	n.Add("KV cache", 3<<30)
	n.Add("compute buffers", 5<<20)
	if err := n.Fits(4 << 30); err != nil {
		t.Error(err)
	}
	if err := n.Fits(0); err != nil { // not known
		t.Error(err)
	}
	err := n.Fits(1 << 30)
	want := "not enough memory: KV cache 3.00 GiB + compute buffers 5.0 MiB = 3.00 GiB; 1.00 GiB are available"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	var small Need
	small.Add("weights", 2048)
	if err := small.Fits(1024); err == nil || !strings.Contains(err.Error(), "weights 2 KiB = 2 KiB; 1 KiB") {
		t.Error(err)
	}
}
