# Everything needs Go and make; the tests also Linux, and a C compiler for the race detector.
SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT   ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
FUZZTIME ?= 10s
N        ?= 200
BENCH_N  ?= 10
COUNT    ?= 1
PROFILE_N ?= 10000
SEED     ?=
PAGE     ?=
TIMES    ?=
# As the chart has it, or it would look for another.
IMAGE    ?= bosgc:$(shell sed -n 's/^appVersion: //p' deploy/helm/bosgc/Chart.yaml)
PLATFORM ?=
GO_IMAGE ?=
REGISTRY ?=
DOWNLOADS ?= https://example.com/bosgc/releases/download/v$(VERSION:v%=%)

export GOWORK := off
# The same flags for all binaries, so that what they share is compiled once. Without the tag gRPC brings
# html/template along, and that keeps the linker from leaving out what nobody calls: 12 MB.
BUILD := CGO_ENABLED=0 go build -tags grpcnotrace -trimpath -buildvcs=false
LINT := $(CURDIR)/bin/golangci-lint
# Without a C compiler there is no race detector; under CI that is a failure (see the target race).
RACE := $(if $(shell command -v gcc),-race)
# Under the race detector, which makes seven minutes of all, go the tests in which most happens at once. The soak goes
# through all that sweeps, applies, restores and cleans, with faults and crashes.
AT_ONCE := ^Test(Soak|Race|Stopped|OfTwoSweeps|ASweepThatLosesItsLock|Protection|Serve|TheExporter|Linger|Push|Progress)
# Packages in which nothing happens at once.
PLAIN := checkpoint|config|inventory|margin|planfile|policy|report|suggest
TEST := $(CURDIR)/bin/gotestsum --format pkgname-and-test-fails --

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / {printf "make %-20s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/bosgc, static
	$(BUILD) -ldflags '-s -w -X bosgc/internal/cli.Version=$(VERSION) -X bosgc/internal/cli.Commit=$(COMMIT)' -o bin/bosgc .

.PHONY: image
image: ## build the image IMAGE (for PLATFORM, with the Go of GO_IMAGE) with docker, podman or buildah
	@IMAGE='$(IMAGE)' PLATFORM='$(PLATFORM)' GO_IMAGE='$(GO_IMAGE)' VERSION='$(VERSION)' COMMIT='$(COMMIT)' test/image/build.sh

.PHONY: check-image
check-image: ## build that image for all platforms without its registry, and look into it
	@mkdir -p bin
	@VERSION='$(VERSION)' COMMIT='$(COMMIT)' test/image/check.sh bin/bosgc-image.tar

.PHONY: lab
lab: ## build bin/bosgc-lab, a simulated system
	$(BUILD) -o bin/bosgc-lab ./internal/lab/cmd/bosgc-lab

.PHONY: demo
demo: build lab ## show bosgc at work on a simulated system
	./internal/lab/demo.sh

.PHONY: test
test: test-unit test-house test-live test-docs-lab ## run every test that needs nothing but Go and make (6 minutes)

.PHONY: test-all
test-all: test test-rest ## run every test

# What make test leaves out: real control planes, node, browser, Prometheus, chart, and the race detector.
.PHONY: test-rest
test-rest: test-race test-repository test-linking test-page test-docs-cluster test-control-plane test-metrics test-chart test-node

.PHONY: test-unit
test-unit: bin/gotestsum ## run the unit tests, and whole commands on the lab
	CGO_ENABLED=0 $(TEST) -parallel 8 -skip '^TestLive|^TestLinking' ./...

.PHONY: test-house
test-house: bin/gotestsum ## check which files depend on which, how large packages are, and the words of documents
	cd test && CGO_ENABLED=0 $(TEST) -count=1 ./house

.PHONY: test-live
test-live: bin/gotestsum ## run the tests on systems on which sessions run, with every release and operation
	CGO_ENABLED=0 $(TEST) -parallel 6 -run '^TestLive' ./internal/cli

.PHONY: test-linking
test-linking: bin/gotestsum ## measure on a few worlds how well CFS sessions are linked (bench-linking measures more)
	CGO_ENABLED=0 $(TEST) -run '^TestLinking' ./gc

.PHONY: test-race
test-race: bin/gotestsum race ## run under the race detector what happens at once
	CGO_ENABLED=$(if $(RACE),1,0) $(TEST) $(RACE) -parallel 8 -skip '^TestLinking' $$(go list ./... | grep -v -E '/($(PLAIN)|cli)$$')
	CGO_ENABLED=$(if $(RACE),1,0) $(TEST) $(RACE) -parallel 8 -run '$(AT_ONCE)' ./internal/cli
	CGO_ENABLED=$(if $(RACE),1,0) $(TEST) $(RACE) -run '^TestLive(CancelOf|Several|ASweepGoes)' ./internal/cli

# Those below have no race detector: the same code has been through it above, and compiling all
# of Kubernetes' libraries a second time costs minutes.
.PHONY: test-control-plane
test-control-plane: control-plane control-plane-1.24 bin/gotestsum ## run the tests against a real Kubernetes control plane
	cd test && CGO_ENABLED=0 $(TEST) -count=1 -p 1 -timeout 20m $$(go list ./... | grep -v -e /chart$$ -e /docs$$ -e /house$$ -e /metrics$$ -e /node$$ -e /page$$ -e /release$$)

.PHONY: test-rescue
test-rescue: control-plane ## drain a BOS of 5,000 sessions that cannot list them any more, on a real etcd (5 minutes)
	cd test && CGO_ENABLED=0 BOSGC_RESCUE_SESSIONS=5000 go test -count=1 -v -timeout 30m -run '^TestRescue$$' ./rescue

.PHONY: test-metrics
test-metrics: control-plane bin/helm bin/gotestsum ## run the tests against a real Prometheus and Pushgateway
	cd test && CGO_ENABLED=0 $(TEST) -count=1 -timeout 15m ./metrics

.PHONY: test-docs
test-docs: test-docs-lab test-docs-cluster ## type what README.md and docs/ say to type, and compare what it prints

.PHONY: test-docs-lab
test-docs-lab: build lab ## the same, as far as nothing but Go is needed
	cd test && VERSION='$(VERSION)' COMMIT='$(COMMIT)' CGO_ENABLED=0 go test -count=1 -v -timeout 10m -skip OnKubernetes ./docs

.PHONY: test-docs-cluster
test-docs-cluster: build lab control-plane bin/helm ## the rest, with kubectl and helm on a real control plane
	cd test && VERSION='$(VERSION)' COMMIT='$(COMMIT)' CGO_ENABLED=0 go test -count=1 -v -timeout 10m -run OnKubernetes ./docs

.PHONY: test-page
test-page: bin/gotestsum ## open the HTML report in a real browser; its pictures are in bin/screenshots
	cd test && CGO_ENABLED=0 $(TEST) -count=1 -timeout 15m ./page

.PHONY: test-chart
test-chart: control-plane control-plane-1.24 bin/helm bin/helm4 bin/helm-unittest bin/gotestsum ## lint, render and install the Helm chart
	bin/helm lint --strict --quiet deploy/helm/bosgc
	bin/helm4 lint --strict --quiet deploy/helm/bosgc
	bin/helm-unittest --strict deploy/helm/bosgc
	cd test && CGO_ENABLED=0 $(TEST) -count=1 -timeout 10m ./chart

.PHONY: test-node
test-node: control-plane bin/helm bin/gotestsum ## install the chart on a real node, where its container runs
	cd test && CGO_ENABLED=0 $(TEST) -count=1 -timeout 10m ./node

.PHONY: docs-chart
docs-chart: ## write the table of values in the chart's README
	cd test && go test -count=1 -run '^TestREADME$$' ./chart -update

.PHONY: docs-settings
docs-settings: ## write docs/settings.md
	go test -count=1 -run '^TestSettingsPage$$' ./internal/config -update

.PHONY: docs-examples
docs-examples: build lab control-plane bin/helm ## write what the commands in the documents print into them
	-cd test && go test -count=1 -timeout 10m -run '^TestPagesOn' ./docs -update
	git diff --stat -- README.md docs

.PHONY: man
man: build ## write the manual pages to bin/man
	rm -rf bin/man
	bin/bosgc man bin/man

.PHONY: race
race:
	@test -n "$(RACE)" || { echo "NOT RUN: the race detector. It needs gcc, which is not here."; test -z "$(CI)"; }

.PHONY: control-plane
control-plane: ## build that control plane, once (6 minutes)
	@test/controlplane/build.sh

.PHONY: control-plane-1.24
control-plane-1.24: ## build one of Kubernetes 1.24, which CSM 1.6 runs, once (5 minutes)
	@test/controlplane/build.sh 1.24

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

.PHONY: soak
soak: race ## play N random worlds with faults and crashes (N=200), or the one of SEED, TIMES times
	CGO_ENABLED=$(if $(RACE),1,0) BOSGC_SOAK_N='$(N)' BOSGC_SOAK_SEED='$(SEED)' BOSGC_SOAK_TIMES='$(TIMES)' \
		go test $(RACE) -count=1 -v -timeout 0 -run '^TestSoak$$' ./internal/cli

.PHONY: soak-broken
soak-broken: ## break each rule of docs/safety.md on purpose, and see that the soak notices
	CGO_ENABLED=0 BOSGC_SOAK_BROKEN=1 go test -count=1 -v -timeout 60m -run '^TestEveryBrokenRuleIsNoticed$$' ./internal/cli

.PHONY: bench-linking
bench-linking: ## measure how well CFS sessions are linked to sessions, over BENCH_N (10) worlds of each release
	@BOSGC_LINKING_N='$(BENCH_N)' go test -count=1 -v -timeout 0 -run '^TestLinking' ./gc

.PHONY: bench-quick
bench-quick: build control-plane ## measure a sweep beside what it could be and what else could be done (10 minutes; PAGE=FILE writes it there)
	@cd test/bench && BOSGC_BENCH=quick BOSGC_BENCH_BINARY='$(CURDIR)/bin/bosgc' BOSGC_BENCH_PAGE='$(abspath $(PAGE))' \
		go test -count=1 -timeout 30m -run '^TestBench$$'

.PHONY: bench-growth
bench-growth: build ## measure how a sweep grows from 1,000 to 100,000 sessions (PAGE=FILE writes it there)
	@cd test/bench && BOSGC_BENCH=growth BOSGC_BENCH_BINARY='$(CURDIR)/bin/bosgc' BOSGC_BENCH_PAGE='$(abspath $(PAGE))' \
		go test -count=1 -timeout 0 -run '^TestBench$$'

.PHONY: bench
bench: build control-plane ## the same with worlds of up to 100,000 sessions (hours); it writes docs/performance.md
	@cd test/bench && BOSGC_BENCH=full BOSGC_BENCH_BINARY='$(CURDIR)/bin/bosgc' BOSGC_BENCH_PAGE='$(CURDIR)/docs/performance.md' \
		go test -count=1 -timeout 0 -run '^TestBench$$'

.PHONY: benchmarks
benchmarks: ## run the Go benchmarks COUNT times (1), as benchstat reads it: make -s benchmarks COUNT=6 >new.txt
	@CGO_ENABLED=0 go test -run '^$$' -bench . -count '$(COUNT)' ./internal/kube ./internal/bos ./internal/cfs ./gc

.PHONY: profile
profile: lab ## profile a sweep of PROFILE_N (10000) sessions into bin/profile/*.pprof, and show what costs most
	@mkdir -p bin/profile
	go test -c -o bin/profile/cli.test ./internal/cli
	cd internal/cli && BOSGC_PROFILE='$(CURDIR)/bin/profile' BOSGC_PROFILE_LAB='$(CURDIR)/bin/bosgc-lab' \
		BOSGC_PROFILE_WORLD='--seed 7 --sessions $(PROFILE_N) --bulk 50 --foreign $(PROFILE_N)0' BOSGC_PROFILE_ARGS='sweep -o json --max-deletes 1000000' \
		../../bin/profile/cli.test -test.memprofilerate 65536 -test.v -test.run '^TestProfile$$' 2>'$(CURDIR)/bin/profile/log'
	@for of in cpu peak allocs; do go tool pprof -top -nodecount 25 bin/profile/cli.test "bin/profile/$$of.pprof"; done

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (10s)
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "== $$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

.PHONY: release-snapshot
release-snapshot: bin/helm bin/cyclonedx-gomod bin/go-licenses ## build all that a release has into dist/, check it, publish nothing
	@VERSION='$(VERSION)' COMMIT='$(COMMIT)' BUILD='$(BUILD)' DOWNLOADS='$(DOWNLOADS)' test/release/build.sh dist
	@$(MAKE) --no-print-directory check-release

.PHONY: check-release
check-release: bin/helm bin/crane ## look into what release-snapshot has left in dist/
	cd test && BOSGC_DIST='$(CURDIR)/dist' BOSGC_COMMIT='$(COMMIT)' CGO_ENABLED=0 go test -count=1 ./release

.PHONY: push-image
push-image: bin/crane ## push the image of dist/, for both architectures, to REGISTRY (such as registry.example.com/csm)
	@DIST='$(CURDIR)/dist' REGISTRY='$(REGISTRY)' test/release/push.sh image

.PHONY: push-chart
push-chart: bin/helm ## push the chart of dist/ to REGISTRY
	@DIST='$(CURDIR)/dist' REGISTRY='$(REGISTRY)' test/release/push.sh chart

.PHONY: test-repository
test-repository: bin/crane bin/helm bin/actionlint bin/gotestsum ## check workflows, forms and the rest of .github, and push to a registry on loopback
	bin/actionlint -color
	cd test && CGO_ENABLED=0 $(TEST) -count=1 -run '^TestRepository|^TestPush' ./release

.PHONY: vulncheck
vulncheck: bin/govulncheck ## look for known vulnerabilities in what is called (needs vuln.go.dev, or DB=URL)
	@bin/govulncheck $(if $(DB),-db '$(DB)') -tags grpcnotrace ./... || { status=$$?; test $$status = 3 || \
		echo "NOTHING IS KNOWN: the check did not run. It reads a database at https://vuln.go.dev; a mirror is given by DB=URL."; exit $$status; }

.PHONY: clean
clean: ## remove bin/ and dist/ (the control plane stays in its cache)
	rm -rf bin dist

# These each have a module of their own: together they would need versions of modules that fit none.
bin/helm bin/helm-unittest bin/cyclonedx-gomod bin/go-licenses bin/govulncheck bin/crane bin/actionlint: bin/%: tools/%/go.mod tools/%/go.sum
	@echo "installing $* (the first time takes a minute or two)"
	@cd tools/$* && CGO_ENABLED=0 GOBIN=$(CURDIR)/bin go install -trimpath -ldflags '-s -w' "$$(go list tool)"
	@touch $@

# Its program is called helm, too.
bin/helm4: tools/helm4/go.mod tools/helm4/go.sum
	@echo "installing helm4 (the first time takes a minute or two)"
	@cd tools/helm4 && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(CURDIR)/bin/helm4 "$$(go list tool)"
	@touch $@

# The tools have a module of their own, so that their dependencies are not the product's.
bin/%: tools/go.mod tools/go.sum
	@echo "installing $* (the first time takes a while)"
	@cd tools && GOBIN=$(CURDIR)/bin go install "$$(go list tool | grep '/$*$$')"
	@touch $@
