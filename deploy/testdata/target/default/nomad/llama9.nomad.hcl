# The cluster llama9: nodes are services in Consul, whose DNS has the records
# that the coordinator finds them by.
job "llama9" {
  type = "service"

  group "node" {
    count = 2

    network {
      port "llama9" {}
    }

    service {
      name     = "llama9-node"
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
        args    = ["node", "--listen", "tcp!*!${NOMAD_PORT_llama9}", "--insecure", "--engine", "llama"]
      }
    }
  }

  group "coord" {
    count = 1

    network {
      port "llama9" {
        static = 5640
      }
    }

    service {
      name     = "llama9"
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
        args    = ["coord", "--listen", "tcp!*!${NOMAD_PORT_llama9}", "--insecure", "--state", "${NOMAD_TASK_DIR}/state", "--discover", "srv:_llama9-node._tcp.service.consul", "--strategy", "least-loaded", "--failover", "resume", "--queue-size", "1024", "--max-sessions", "10000", "--session-ttl", "30m0s", "--expect", "demo"]
      }
    }
  }
}
