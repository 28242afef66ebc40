package llama

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrNoLibrary says that no llama.cpp library was found; Install gets one.
var ErrNoLibrary = errors.New("no llama.cpp library")

// EnvLib names the directory of the libraries when no flag does.
const EnvLib = "LLAMA9_LIB"

// Find gives the directory of llama.cpp's libraries: dir if it is not "",
// else that of LLAMA9_LIB, else the program's own or lib beside it, else the
// cache that Install fills. A directory that was named and lacks them is an
// error; when none was named and none is found, it is ErrNoLibrary.
func Find(dir string) (string, error) {
	for _, named := range []struct{ by, dir string }{{"--llama-lib", dir}, {EnvLib, os.Getenv(EnvLib)}} {
		if named.dir != "" {
			if err := hasLibraries(named.dir); err != nil {
				return "", fmt.Errorf("%s %s: %w", named.by, named.dir, err)
			}
			return filepath.Abs(named.dir)
		}
	}
	var places []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		places = append(places, filepath.Dir(exe), filepath.Join(filepath.Dir(exe), "lib"))
	}
	if c, err := cacheDir(); err == nil {
		places = append(places, c)
	}
	for _, p := range places {
		if hasLibraries(p) == nil {
			return p, nil
		}
	}
	return "", ErrNoLibrary
}

// hasLibraries says which of the files that the binding opens is not in dir.
func hasLibraries(dir string) error {
	for _, name := range []string{"ggml", "ggml-base", "llama"} {
		f := libName(name)
		if _, err := os.Stat(filepath.Join(dir, f)); err != nil {
			if versioned, _ := filepath.Glob(filepath.Join(dir, "*"+name+"."+release+"*")); len(versioned) > 0 {
				return fmt.Errorf("no %s; link it to %s", f, filepath.Base(versioned[0]))
			}
			return fmt.Errorf("no %s", f)
		}
	}
	return nil
}

// cacheDir is where Install puts the libraries of this platform and version.
func cacheDir() (string, error) {
	c, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory (%w); %s", err, advice())
	}
	return filepath.Join(c, "llama9", "llama.cpp-"+release+"-"+packageVersion), nil
}
