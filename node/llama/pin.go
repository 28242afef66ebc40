package llama

import (
	"fmt"
	"runtime"
)

// Version is the llama.cpp that the binding's struct layouts are those of:
// what llama_version of the library must say, "-dev" and the like aside.
const Version = "0.5.0"

// release is the version in the names of the package's library files.
const release = "v" + Version

// packageVersion is the version of the npm packages that hold Version.
const packageVersion = "3.22.1"

// A pin is the prebuilt library of a platform: its npm package, and the
// package's digest as npm states it (dist.integrity, checked against what was
// packed by Install).
type pin struct {
	name      string
	integrity string
}

// pins are the packages by GOOS/GOARCH.
var pins = map[string]pin{
	"linux/amd64": {"@node-llama-cpp/linux-x64", "sha512-5uCCDNqWCNfaAm8aR/Uzxbo4HBpKgNF91kCHPepKhgMgV2OAmatoefbOlMihsqCiH2Od35E/eUHQCFbfRBJuOg=="},
	"linux/arm64": {"@node-llama-cpp/linux-arm64", "sha512-W+7naKCXX9/eEjjFmRS8vvx91QyLXDbeFxexZc3bh/PtQABZgmRL3C0AtYYXn4YGTj/3Qor4lWZn2tpjZFPLdQ=="},
}

func (p pin) spec() string { return p.name + "@" + packageVersion }

// platform is the key of pins.
func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

// libName is the file name of library name ("llama", "ggml", "ggml-base").
func libName(name string) string {
	switch runtime.GOOS {
	case "windows":
		return name + ".dll"
	case "darwin":
		return "lib" + name + ".dylib"
	}
	return "lib" + name + ".so"
}

// advice says what to put where when nothing can be installed.
func advice() string {
	return fmt.Sprintf("put llama.cpp %s (%s, %s, %s and a %s) into one directory and name it by --llama-lib or LLAMA9_LIB",
		release, libName("llama"), libName("ggml"), libName("ggml-base"), libName("ggml-cpu-*"))
}
