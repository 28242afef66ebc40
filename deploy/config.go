package deploy

import "time"

// A Config says what a deployment is. The tags are the file's keys, what the
// schema tells editors of them, and what a value may be: Parse, Schema and the
// manual page go by them. Zero numbers that the tag calls a default are the
// node's own.
type Config struct {
	Name    string  `yaml:"name" doc:"of the deployment: its sockets and logs are found by it" like:"name"`
	Engine  string  `yaml:"engine" doc:"of the nodes, as --engine of node; fake computes no model and is for tests" enum:"llama ollama fake"`
	Network Network `yaml:"network" doc:"where the cluster is served, and how turns are placed"`
	Models  []Model `yaml:"models" doc:"the first is the default; none is the built-in demo model"`
	Nodes   []Group `yaml:"nodes" doc:"node processes to start, and nodes that run elsewhere"`
	Scaling Scaling `yaml:"scaling" doc:"how many nodes there are, by load"`
	Limits  Limits  `yaml:"limits" doc:"of time, restarts and logs"`

	file string // where it was read; "" none
	at   lines
}

// Network is the coordinator's side, and how nodes are watched.
type Network struct {
	Listen         []string      `yaml:"listen" doc:"addresses of the cluster: tcp!host!port, unix!/path or host:port" like:"address"`
	Insecure       bool          `yaml:"insecure" doc:"listen beyond this machine too"`
	SocketMode     string        `yaml:"socket_mode" doc:"permissions of Unix sockets, octal" like:"mode"`
	JoinKey        string        `yaml:"join_key" doc:"file with the key that nodes must have to register"`
	Strategy       string        `yaml:"strategy" doc:"how nodes are picked" enum:"least-loaded round-robin least-connections random weighted-random"`
	Failover       string        `yaml:"failover" doc:"whether the turns of a lost node go on elsewhere" enum:"resume strict"`
	Queue          int           `yaml:"queue" doc:"turns that wait at most" min:"1"`
	HealthInterval time.Duration `yaml:"health_interval" doc:"between two looks at a node" min:"100ms"`
	HealthTimeout  time.Duration `yaml:"health_timeout" doc:"a look that takes longer has failed" min:"100ms"`
	HealthFailures int           `yaml:"health_failures" doc:"a node that failed so many looks on end is restarted" min:"1"`
}

// A Model is a model that nodes can answer with. The numbers are those of
// llama-server; 0 is its default.
type Model struct {
	Name        string `yaml:"name" doc:"as turns name it; default: the file's name" like:"name"`
	File        string `yaml:"file" doc:"GGUF file; none is the built-in demo model"`
	NCtx        int    `yaml:"n_ctx" doc:"tokens of one session" min:"0"`
	Parallel    int    `yaml:"parallel" doc:"turns at once on one node" min:"0" max:"256"`
	NGPULayers  int    `yaml:"n_gpu_layers" doc:"layers on the GPU; -1 is all" min:"-1"`
	MainGPU     int    `yaml:"main_gpu" doc:"the GPU to use" min:"0"`
	TensorSplit string `yaml:"tensor_split" doc:"how to split the model over GPUs, as 3,1" like:"split"`
	CacheTypeK  string `yaml:"cache_type_k" doc:"of the cached keys" enum:"f16 f32 bf16 q8_0 q4_0 q4_1 iq4_nl q5_0 q5_1"`
	CacheTypeV  string `yaml:"cache_type_v" doc:"of the cached values" enum:"f16 f32 bf16 q8_0 q4_0 q4_1 iq4_nl q5_0 q5_1"`
}

// A Group is one node or, with a count, many that are alike.
type Group struct {
	Name    string            `yaml:"name" doc:"of the node; with a count its nodes are name-1, name-2 ..." like:"name"`
	Count   int               `yaml:"count" doc:"nodes of this kind; 0 is one, called as the group" min:"0" max:"256"`
	Remote  bool              `yaml:"remote" doc:"the node runs elsewhere: it is adopted, not started"`
	Address string            `yaml:"address" doc:"where the node is reached; default: a socket of the deployment" like:"address"`
	Port    int               `yaml:"port" doc:"TCP port of the node on 127.0.0.1; of a group, of its first" min:"1" max:"65535"`
	Weight  float64           `yaml:"weight" doc:"how many turns to get beside other nodes" min:"0.001" max:"1000"`
	Models  []string          `yaml:"models" doc:"names of the models that it has; default: all"`
	Threads int               `yaml:"threads" doc:"of the engine; 0 is this machine's cores, divided by its nodes" min:"0" max:"4096"`
	CPUs    string            `yaml:"cpus" doc:"processors that it may use, as 0-3,6" like:"cpus"`
	Memory  Size              `yaml:"memory" doc:"bound on what the process takes, as 8G"`
	Env     map[string]string `yaml:"env" doc:"environment variables of the process"`
}

// Scaling says how many nodes of a group there are.
type Scaling struct {
	Auto     bool          `yaml:"auto" doc:"scale by load; else only the command scale does"`
	Group    string        `yaml:"group" doc:"which nodes; default: the first group with a count"`
	Min      int           `yaml:"min" doc:"nodes at least; 0 lets the last one go" min:"0" max:"256"`
	Max      int           `yaml:"max" doc:"nodes at most; auto wants it" min:"0" max:"256"`
	Target   float64       `yaml:"target" doc:"share of the slots that is to be busy" min:"0.05" max:"1"`
	UpAfter  time.Duration `yaml:"up_after" doc:"load above the target for so long adds nodes" min:"0s"`
	DownTime time.Duration `yaml:"down_after" doc:"load that fewer nodes could take for so long removes one" min:"0s"`
	CoolDown time.Duration `yaml:"cool_down" doc:"between two changes" min:"0s"`
	Idle     time.Duration `yaml:"idle" doc:"with min 0, no turn for so long removes the last node" min:"0s"`
}

// Limits are bounds of the supervisor.
type Limits struct {
	ReadyTimeout time.Duration `yaml:"ready_timeout" doc:"a node that has not loaded its model by then has failed to start" min:"100ms"`
	DrainTimeout time.Duration `yaml:"drain_timeout" doc:"how long the turns of a node that stops may take; then they go on elsewhere" min:"0s"`
	StopTimeout  time.Duration `yaml:"stop_timeout" doc:"from the request to end to the kill" min:"0s"`
	Restarts     int           `yaml:"restarts" doc:"restarts on end before a node is called failed" min:"0"`
	Backoff      time.Duration `yaml:"backoff" doc:"before the first restart; doubled for each that follows" min:"10ms"`
	BackoffMax   time.Duration `yaml:"backoff_max" doc:"before a restart, at most" min:"10ms"`
	Steady       time.Duration `yaml:"steady" doc:"a node that was ready for so long begins its restarts anew" min:"1s"`
	Retry        time.Duration `yaml:"retry" doc:"a failed node is tried again after so long" min:"1s"`
	LogSize      Size          `yaml:"log_size" doc:"of a log file; a full one is renamed to NAME.log.1" min:"4096"`
	Sessions     int           `yaml:"sessions" doc:"living sessions of the cluster at most" min:"1"`
	SessionTTL   time.Duration `yaml:"session_ttl" doc:"how long an idle session lives" min:"1s"`
	OpenFiles    int           `yaml:"open_files" doc:"of a node at most; 0 is the supervisor's own bound" min:"0"`
}

// Default is the deployment of no file: two nodes of the demo model.
func Default() *Config {
	c := base()
	c.fill(&parser{})
	return c
}

// base is what a file changes.
func base() *Config {
	return &Config{
		Name:   "llama9",
		Engine: "llama",
		Network: Network{
			Listen: []string{"tcp!127.0.0.1!5640"}, SocketMode: "0600", Strategy: "least-loaded", Failover: "resume", Queue: 1024,
			HealthInterval: 5 * time.Second, HealthTimeout: 10 * time.Second, HealthFailures: 3,
		},
		Models: []Model{{Name: "demo"}},
		Nodes:  []Group{{Name: "node", Count: 2, Weight: 1}},
		Scaling: Scaling{
			Min: 1, Target: 0.75,
			UpAfter: 10 * time.Second, DownTime: 2 * time.Minute, CoolDown: time.Minute, Idle: 10 * time.Minute,
		},
		Limits: Limits{
			ReadyTimeout: 10 * time.Minute, DrainTimeout: 30 * time.Second, StopTimeout: 10 * time.Second,
			Restarts: 5, Backoff: time.Second, BackoffMax: 30 * time.Second, Steady: time.Minute, Retry: 5 * time.Minute,
			LogSize: 10 << 20, Sessions: 10000, SessionTTL: 30 * time.Minute,
		},
	}
}

// File is where c was read, "" for no file.
func (c *Config) File() string { return c.file }

// Count is how many nodes the scaled group begins with.
func (c *Config) Count() int {
	if g := c.group(c.Scaling.Group); g != nil {
		return g.Count
	}
	return 0
}

// item gives what a new entry of a list begins as.
func item(v any) {
	if g, ok := v.(*Group); ok {
		g.Weight = 1
	}
}
