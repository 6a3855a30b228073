# Everything sets itself up: Python 3.11+ and make are all that has to be there.
# PYTHON may name another interpreter: make test PYTHON=python3.13

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
BENCH_VENV := .venv-bench
BENCH  := $(BENCH_VENV)/.ready
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help demo run test e2e check lint types layers soak bench-quick format lock image clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements/build.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## See the main job done on local stand-ins (ARGS=--once: and end)
	@$(BIN)/keybearer demo $(ARGS)

run: $(READY) ## Serve ./config.yaml (ARGS="-c FILE")
	@$(BIN)/keybearer run $(ARGS)

test: $(READY) ## Run the tests that need nothing but PyPI
	$(BIN)/pytest -n 2 -m "not e2e and not soak" $(ARGS)

e2e: $(READY) ## Run the tests with real tools (curl, nginx, …)
	$(BIN)/pytest -m e2e $(ARGS)

check: lint types layers test e2e ## All that is correctness; this is what CI runs

lint: $(READY) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## Check types
	$(BIN)/mypy

layers: $(READY) ## Check that imports go one way
	$(BIN)/lint-imports --verbose | tail -n 12

soak: $(READY) ## Run what is timed, huge or minutes long
	$(BIN)/pytest -m soak -s $(ARGS)

# What is compared are release builds, so the system's interpreter comes first: it is what the image
# runs, and one built by pyenv without optimisation takes a third longer.
BENCH_PYTHON ?= $(shell for each in /usr/bin/python3 $(PYTHON); do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$each; exit; }; done)

$(BENCH): $(READY) requirements/bench.txt
	$(BENCH_PYTHON) -m venv --without-pip $(BENCH_VENV)
	$(BIN)/pip --python $(BENCH_VENV)/bin/python install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/bench.txt
	$(BIN)/pip --python $(BENCH_VENV)/bin/python install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

bench-quick: $(BENCH) ## Compare CPU time a request with nginx and Envoy
	$(BENCH_VENV)/bin/python -m benchmarks.quick $(ARGS)

format: $(READY) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE = CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

lock: $(READY) ## Resolve the locks anew (with Python 3.11, the oldest)
	$(COMPILE) -o requirements/run.txt pyproject.toml
	$(COMPILE) --extra dev -c requirements/run.txt -o requirements/dev.txt pyproject.toml
	$(COMPILE) --extra bench -c requirements/run.txt -o requirements/bench.txt pyproject.toml
	$(COMPILE) -c requirements/run.txt -c requirements/dev.txt --only-build-deps --build-deps-for wheel --build-deps-for editable -o requirements/build.txt pyproject.toml

image: ## Build the container image without Docker, run it and check it (needs root and apt)
	bash deploy/image.sh

clean: ## Remove what was made
	rm -rf $(VENV) $(BENCH_VENV) build dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
