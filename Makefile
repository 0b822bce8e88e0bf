# Everything needs Go and make; the tests also Linux, and a C compiler for the race detector.
SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT   ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
FUZZTIME ?= 10s

export GOWORK := off
# The same flags for all binaries, so that what they share is compiled once.
BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false
LINT := $(CURDIR)/bin/golangci-lint
# Without a C compiler there is no race detector; under CI that is a failure (see the target race).
RACE := $(if $(shell command -v gcc),-race)
TEST := CGO_ENABLED=$(if $(RACE),1,0) $(CURDIR)/bin/gotestsum --format pkgname-and-test-fails -- $(RACE)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-20s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/bosgc, static
	$(BUILD) -ldflags '-s -w -X bosgc/cli.Version=$(VERSION) -X bosgc/cli.Commit=$(COMMIT)' -o bin/bosgc .

.PHONY: demo
demo: build ## show bosgc at work on a simulated system
	$(BUILD) -o bin/bosgc-lab ./lab/cmd/bosgc-lab
	./lab/demo.sh

.PHONY: test
test: test-unit test-control-plane ## run every test

.PHONY: test-unit
test-unit: bin/gotestsum race ## run the tests that need nothing but Go
	$(TEST) ./...

.PHONY: test-control-plane
test-control-plane: control-plane bin/gotestsum race ## run the tests against a real Kubernetes control plane
	cd test && $(TEST) -count=1 -p 1 -timeout 20m ./...

.PHONY: race
race:
	@test -n "$(RACE)" || { echo "NOT RUN: the race detector. It needs gcc, which is not here."; test -z "$(CI)"; }

.PHONY: control-plane
control-plane: ## build that control plane, once (6 minutes)
	@test/controlplane/build.sh

.PHONY: lint
lint: bin/golangci-lint ## check style, structure and module files
	$(LINT) run ./...
	cd test && $(LINT) run ./...
	go mod tidy -diff
	cd test && go mod tidy -diff

.PHONY: fmt
fmt: bin/golangci-lint ## format the code
	$(LINT) fmt ./...
	cd test && $(LINT) fmt ./...

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (10s)
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "== $$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

.PHONY: clean
clean: ## remove bin/ (the control plane stays in its cache)
	rm -rf bin

# The tools have a module of their own, so that their dependencies are not the product's.
bin/%: tools/go.mod tools/go.sum
	@echo "installing $* (the first time takes a while)"
	@cd tools && GOBIN=$(CURDIR)/bin go install "$$(go list tool | grep '/$*$$')"
	@touch $@
