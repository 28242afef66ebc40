# The cluster lab: nodes are services in Consul, whose DNS has the records
# that the coordinator finds them by.
job "lab" {
  type = "service"

  group "big" {
    count = 3

    network {
      port "llama9" {}
    }

    service {
      name     = "lab-big"
      port     = "llama9"
      provider = "consul"
      tags     = ["tcp"]

      check {
        type     = "tcp"
        interval = "5s"
        timeout  = "10s"
      }
    }

    restart {
      attempts = 5
      interval = "300s"
      delay    = "1s"
      mode     = "delay"
    }

    task "node" {
      driver       = "exec"
      kill_timeout = "10s"

      config {
        command = "/usr/bin/llama9"
        args    = ["node", "--listen", "tcp!*!${NOMAD_PORT_llama9}", "--insecure", "--engine", "llama", "--load", "chat \"/srv/models/chat 8b.gguf\" \"threads=8\" \"n_ctx=8192\" \"parallel=2\"", "--load", "small /srv/models/small.gguf \"threads=8\"", "--memory", "24G"]
      }

      env {
        A = "50% of $HOME"
        B = "two words"
      }

      resources {
        cores  = 8
        memory = 24576
      }
    }
  }

  group "lone" {
    count = 1

    network {
      port "llama9" {}
    }

    service {
      name     = "lab-lone"
      port     = "llama9"
      provider = "consul"
      tags     = ["tcp"]

      check {
        type     = "tcp"
        interval = "5s"
        timeout  = "10s"
      }
    }

    restart {
      attempts = 5
      interval = "300s"
      delay    = "1s"
      mode     = "delay"
    }

    task "node" {
      driver       = "exec"
      kill_timeout = "10s"

      config {
        command = "/usr/bin/llama9"
        args    = ["node", "--listen", "tcp!*!${NOMAD_PORT_llama9}", "--insecure", "--engine", "llama", "--load", "small /srv/models/small.gguf"]
      }
    }
  }

  group "coord" {
    count = 1

    network {
      port "llama9" {
        static = 7000
      }
    }

    service {
      name     = "lab"
      port     = "llama9"
      provider = "consul"

      check {
        type     = "tcp"
        interval = "5s"
        timeout  = "10s"
      }
    }

    task "coord" {
      driver       = "exec"
      kill_timeout = "10s"

      config {
        command = "/usr/bin/llama9"
        args    = ["coord", "--listen", "tcp!*!${NOMAD_PORT_llama9}", "--insecure", "--state", "${NOMAD_TASK_DIR}/state", "--discover", "srv:_lab-big._tcp.service.consul", "--discover", "srv:_lab-lone._tcp.service.consul", "--strategy", "round-robin", "--failover", "resume", "--queue-size", "1024", "--max-sessions", "10000", "--session-ttl", "30m0s", "--expect", "chat", "--expect", "small", "--node", "far=tcp!gpu!5640,weight=4"]
      }
    }
  }
}
