package deploy

import "fmt"

// Targets are the supervisors that Target writes for.
func Targets() []string { return []string{"systemd", "kubernetes", "nomad", "compose"} }

func Target(c *Config, target string) ([]byte, error) {
	return nil, fmt.Errorf("%s: want %s", target, "systemd, kubernetes, nomad or compose")
}
