# Go and make are all that `make test` needs. Each module is tested on its own,
# with its own versions: go.work is only for `go run ./example_app`.
MODULES   := . example_app contrib/otel contrib/watermill contrib/limit contrib/gin-vue-admin/server
# What hosts may require, each tagged with its folder before the version.
PUBLISHED := . $(patsubst %/go.mod,%,$(wildcard contrib/*/go.mod store/*/go.mod))
BENCHTIME ?= 1s
FUZZTIME  ?= 30s
FUZZ      ?= ^Fuzz
SEED      ?= 0
KILLS     ?= 100
REFUNDS   ?= 4000
LOAD      ?= 5m
MINUTES   ?= 30
SOAK      ?= 1

GOLANGCI := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOFUMPT  := go run mvdan.cc/gofumpt@v0.12.0

# Alipay's own SDK, and axe-core, which npm installs as each package-lock.json says.
SDK := internal/conformance/alipaysdk
AXE := internal/conformance/browser

# A linter of OpenAPI documents, likewise.
REDOCLY := internal/conformance/redocly

export GOWORK := off

# in-modules COMMAND: run it in each module's folder, and stop at the first failure.
in-modules = @set -e; for m in $(MODULES); do echo "== $$m: $(1)"; (cd "$$m" && $(1)); done

.PHONY: help test race lint bench fuzz model chaos alipaysdk redocly axe conformance crash several soak floor release release-check modules

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# internal/openapi is slow to build with the race detector, and shares nothing.
test lint fuzz modules: MODULES += internal/openapi
test: ## every module's tests, in random order
	$(call in-modules,go test -shuffle=on ./...)

# What walks through much, step by step, has no race to find, and takes minutes with the detector.
STEADY := ^(TestModel|TestRulesWalkedThrough|TestForgeries$$|TestMemoryIsFlat|TestNothingIsNamed|TestEachCorruptionOfACaptureIsNamed|TestWhatWasSigned)

race: ## the same under the race detector (needs a C compiler), but for what runs on one goroutine for long
	$(call in-modules,go test -race -shuffle=on -skip '$(STEADY)' ./...)

lint: MODULES += internal/conformance internal/release store/redisstore
lint: ## formatting and linters, at pinned versions
	@echo "== gofumpt"; files=$$($(GOFUMPT) -l .) && if [ -n "$$files" ]; then echo "not formatted by gofumpt:"; echo "$$files"; exit 1; fi
	$(call in-modules,$(GOLANGCI) run --config "$(CURDIR)/.golangci.yml" ./...)

bench: ## every benchmark once, ours beside its floor (BENCHTIME=1s), those of the databases too
	@out=$$(mktemp); trap 'rm -f "$$out"' EXIT; \
	for m in . internal/conformance; do \
	  (cd "$$m" && go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -timeout 25m -p 1 ./...) || echo FAIL; \
	done | grep -v 'no test files' | tee "$$out"; \
	awk -f .ci/beside.awk "$$out"

fuzz: ## every fuzz target (FUZZ='^Fuzz'), FUZZTIME=30s each
	@set -e; for m in $(MODULES); do cd "$(CURDIR)/$$m"; \
	  tests=$$(go test -list '$(FUZZ)' ./...); \
	  echo "$$tests" | awk '/^Fuzz/ {name[++n] = $$1} /^ok/ {for (i = 1; i <= n; i++) print $$2, name[i]; n = 0}' | \
	  while read -r package name; do \
	    echo "== $$package: $$name"; $(CURDIR)/.ci/fuzz "$$package" "$$name" $(FUZZTIME); \
	  done; done

# Quicker: FLAGS=-model.forgets=false.
model: ## every way that a refund can go, through one send more than make test walks
	go test -count=1 -v -timeout 30m -run '^TestModel' ./internal/systest/model -model.sends=2 $(FLAGS)

chaos: ## everything at random, by a fresh seed, which it prints (SEED=0)
	go test -count=1 -v -run '^TestChaos$$' ./internal/systest/chaos -chaos.seed=$(SEED)

alipaysdk: $(SDK)/node_modules/.package-lock.json ## install Alipay's own SDK for make conformance (needs Node and npm)

redocly: $(REDOCLY)/node_modules/.package-lock.json ## install the linter of OpenAPI documents for make conformance (likewise)

axe: $(AXE)/node_modules/.package-lock.json ## install axe-core for make conformance (likewise)

%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	cd $* && npm ci --ignore-scripts --no-audit --no-fund

conformance: ## others as the other party: databases, Redis and brokers on 127.0.0.1, Alipay's own SDK, a linter, a PKCS#11 token, Chromium; several processes; SOAK=1 minute of load
	-@$(MAKE) --no-print-directory --keep-going alipaysdk redocly axe # without them, the tests that want them say so
	cd internal/conformance && go test -count=1 -shuffle=on -timeout 20m -p 2 ./...
	cd store/redisstore && go test -count=1 -shuffle=on ./...
	$(MAKE) --no-print-directory several KILLS=6 REFUNDS=200 LOAD=10s FLAGS=-several.measure=3s
	$(MAKE) --no-print-directory soak MINUTES=$(SOAK)

# Other databases, or the same again: FLAGS='-crash.stores=sqlite: -crash.seed=1'.
crash: ## kill the example KILLS=100 times during REFUNDS=4000, on SQLite, PostgreSQL, MariaDB and Redis; nothing may be lost
	cd example_app && go test -count=1 -v -timeout 30m -parallel 4 -run '^TestCrash$$' . -crash.kills=$(KILLS) -crash.refunds=$(REFUNDS) $(FLAGS)

# On one of them, smaller, or the same again: FLAGS='-several.stores=redis://127.0.0.1:6379/9
# -crash.seed=1'. One part alone: FLAGS='-run ^TestSeveral$$/^postgres$$/^rolled$$'.
several: REFUNDS = 10000
several: ## three processes of the example on one PostgreSQL, and on one Redis: killed KILLS=100 times during REFUNDS=10000, and, over LOAD=5m, restarted in turn and cut off
	cd example_app && go test -count=1 -v -timeout 60m -parallel 4 -run '^TestSeveral$$' . -several.refunds=$(REFUNDS) -several.kills=$(KILLS) -several.load=$(LOAD) $(FLAGS)

# FLAGS='-soak.store=redis://127.0.0.1:6379/9 -soak.most=100'.
soak: ## one process of the example under half its load for MINUTES=30: what it needs must stay the same
	cd example_app && go test -count=1 -v -timeout 0 -run '^TestSoak$$' . -soak.minutes=$(MINUTES) $(FLAGS)

release-check: ## build the modules as a host gets them: from a module proxy's zips, without replacements
	cd internal/release && go test -count=1 ./...

floor: ## build the root with the lowest Go that go.mod allows, which the Go command fetches
	go=go$$(sed -n 's/^go //p' go.mod); export GOTOOLCHAIN=$$go; go version && go build ./... && go vet ./...

release: ## let the modules require each other at VERSION=v0.1.0; docs/releasing.md has the rest
	@echo '$(VERSION)' | grep -Eqx 'v[01]\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?' || { echo 'VERSION=v0.1.0, or another semantic version'; exit 1; }
	@set -e; for m in $(PUBLISHED) example_app contrib/gin-vue-admin/server internal/conformance internal/openapi; do \
	  for r in $$(sed -n 's|^.*\(github.com/alirefund/alirefund[^ ]*\) v.*|\1|p' $$m/go.mod | sort -u); do (cd $$m && go mod edit -require=$$r@$(VERSION)); done; done
	@echo 'Commit this, run .ci/run, and tag the commit:'
	@for m in $(PUBLISHED); do echo "git tag -s $$m/$(VERSION)"; done | sed 's|-s \./|-s |'

modules: # for .ci/run
	@echo $(MODULES)
