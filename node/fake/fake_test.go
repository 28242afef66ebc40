package fake_test

import (
	"os"
	"path/filepath"
	"testing"

	"llama9/node/enginetest"
	"llama9/node/fake"
)

func TestEngine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(file, append([]byte("GGUF"), make([]byte, 100)...), 0o600); err != nil {
		t.Fatal(err)
	}
	e := &fake.Engine{Options: fake.Options{Length: -1}}
	t.Run("suite", func(t *testing.T) { enginetest.Run(t, e, file) })
	if l := e.Live(); l != 0 {
		t.Errorf("%d of its things are still open", l)
	}
}
