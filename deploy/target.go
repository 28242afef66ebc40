package deploy

// Targets are the supervisors that Target writes for.
func Targets() []string { return []string{"systemd", "kubernetes", "nomad", "compose"} }

func Target(c *Config, target string) ([]byte, error) { return nil, nil }
