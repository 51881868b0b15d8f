# Everything a newcomer needs: make demo, make test. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash
GO ?= go
BIN := bin/unship
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X unship.dev/cmd.version=$(VERSION)
SLOW := ./cmd/e2e/... ./dashboards/browsertest/...
DATA ?=

.PHONY: help build demo demo-haproxy test test-unit test-e2e test-browser race lint fmt fuzz bench bench-ingest soak eval eval-blame power check generate clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the binary bin/unship
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/unship

demo: build ## ship a good and a bad release in a live shop; about a minute and a half
	$(BIN) demo

demo-haproxy: build ## the same behind a real HAProxy (installs it with apt, as root)
	$(BIN) demo --proxy haproxy

test: test-unit test-e2e test-browser ## all tests; installs the real servers that it needs

test-unit: ## packages, without real servers
	$(GO) test -timeout 30m $$($(GO) list ./... | grep -v -e /cmd/e2e -e /browsertest)

test-e2e: build ## the whole program: Collector, kill -9, restart, both demos
	$(GO) test -count=1 -timeout 20m ./cmd/e2e/...

test-browser: ## the page in a real Chromium (installs it with apt, as root)
	$(GO) test -count=1 -timeout 10m ./dashboards/browsertest -install

# detect has no goroutines (arch_test.go), so there is nothing in it to race, and its simulations are long.
race: ## unit tests under the race detector
	$(GO) test -race -timeout 30m $$($(GO) list ./... | grep -v -e /cmd/e2e -e /browsertest -e /cmd/eval -e /cmd/power -e unship.dev/detect)

# Each checkout has a linter cache of its own: a shared one remembers files of others by their paths.
lint: ## vet, gofmt and golangci-lint
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'gofmt the files above'; exit 1; }
	$(GO) vet ./...
	GOLANGCI_LINT_CACHE=$(CURDIR)/.cache/lint $(GO) tool -modfile=.ci/tools/go.mod golangci-lint run ./...

fmt: ## format the code
	gofmt -w .

FUZZTIME ?= 5s
fuzz: ## every fuzz target for FUZZTIME each
	.ci/fuzz $(FUZZTIME)

bench: ## all benchmarks, in benchstat form
	$(GO) test -run '^$$' -bench . -benchmem ./...

BENCHFLAGS ?=
bench-ingest: build ## spans per CPU-second and peak memory, beside an OpenTelemetry Collector; a quarter of an hour
	cd cmd/bench/collector && $(GO) build -o ../../../bin/collector .
	$(GO) build -o bin/bench ./cmd/bench
	bin/bench -collector bin/collector $(BENCHFLAGS)

SOAK ?= 5m
soak: build ## twice of what fits into memory for SOAK: every span accounted for, memory within its limit
	$(GO) test -count=1 -timeout 60m -v -run TestOverload ./cmd/e2e -soak $(SOAK)

eval: build ## labelled scenarios → found, top-1, wrong rollbacks, delay; DATA=FOLDER adds labelled recordings
	$(GO) run ./cmd/eval -unship $(BIN) $(if $(DATA),-data $(DATA))

RUNS ?= 40
eval-blame: ## who is blamed when several are released at once, beside other scorers; about an hour on 2 cores
	$(GO) run ./cmd/eval/blame -runs $(RUNS) -styles canary,replaced,mixed -rivals -ablate

RELEASES ?= 3000
power: ## false rollbacks and delays in simulated environments, beside other judges; hours: RELEASES=100 for a first look
	$(GO) run ./cmd/power -releases $(RELEASES)

check: ## exactly what CI runs
	.ci/run

generate: ## rewrite golden files and generated pages
	$(GO) test ./decide/report/... ./dashboards/... ./cmd/... -update

clean: ## remove what was built
	rm -rf bin
