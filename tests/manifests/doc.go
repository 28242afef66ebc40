// Package manifests checks what llama9 writes for other supervisors with their
// own code: Kubernetes' types, HashiCorp's parser, Compose's loader. It is a
// module of its own, so that llama9 requires none of them.
package manifests
