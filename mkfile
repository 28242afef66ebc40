# For mk of Plan 9, plan9port, 9base and Inferno, under sh and rc alike: every
# line of a recipe is one plain command. Without mk, type them.

all:V:
	env 'CGO_ENABLED=0' go build -o bin/llama9 ./cmd/llama9

# The engine in the binary; see docs/engines.md.
ollama:V:
	scripts/build-ollama

install:V:
	env 'CGO_ENABLED=0' go install ./cmd/llama9

test:V:
	tests/run

vet:V:
	gofmt -l cmd coord limbo mnt model ninep node styxfs tests
	go vet ./...

clean:V:
	rm -rf bin

nuke:V: clean
	go clean -testcache
