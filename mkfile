# For mk of Plan 9, plan9port, 9base and Inferno, under sh and rc alike: every
# line of a recipe is one plain command. Without mk, type them.

LIMBO=`{sh -c 'test -z "$INFERNO_ROOT" || echo limbo'}

all:V: llama9 $LIMBO

llama9:V:
	env 'CGO_ENABLED=0' go build -o bin/llama9 ./cmd/llama9

# The engine in the binary; see docs/engines.md.
ollama:V:
	scripts/build-ollama

install:V:
	env 'CGO_ENABLED=0' go install ./cmd/llama9

# into the Inferno tree of $INFERNO_ROOT, whose limbo is in $PATH
limbo:V:
	cd limbo
	mk 'ROOT='$INFERNO_ROOT install

test:V:
	tests/run

vet:V:
	gofmt -l cmd coord deploy fuse journal limbo mnt model ninep node queue styxfs tests
	go vet ./...

deb:V:
	deploy/deb

clean:V:
	rm -rf bin

nuke:V: clean
	go clean -testcache
