package model

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func TestDemoDigest(t *testing.T) {
	sum := sha256.Sum256(Demo)
	if got := hex.EncodeToString(sum[:]); got != DemoSHA256 {
		t.Errorf("sha256 of demo.gguf is %s, want %s", got, DemoSHA256)
	}
}
