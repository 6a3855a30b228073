# Everything sets itself up: Python 3.11+ and make are all that has to be there.
# PYTHON may name another interpreter: make test PYTHON=python3.13

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
BENCH_VENV := .venv-bench
BENCH  := $(BENCH_VENV)/.ready
COMPILED := build/compiled
# Tests of modules that are not compiled.
UNCOMPILED := test_standin test_documents test_clients_reload test_clients_forgotten test_clients_text test_config test_access test_rate_store test_keys_command test_tls_reload
SOURCES  := pyproject.toml README.md LICENSE proxy
ARGS   ?=
# Two cores bear three: many tests wait for a time to pass.
WORKERS ?= 3

# Compiled once, not by each of the processes that the tests start; `make clean` removes it.
unexport PYTHONDONTWRITEBYTECODE

# What runs at the same time tells in one piece, where make can (4.0).
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.DEFAULT_GOAL := help
.PHONY: help demo run test compiled e2e check aside lint types layers fuzz soak instructions profile bench-quick bench format lock image clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What is never imported need not be compiled.
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-compile

$(READY): requirements/build.txt requirements/dev.txt requirements/compile.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@# The locked pip first: it takes a third of the time of those that come with Python.
	sed -n '/^pip==/,/[^\\]$$/p' requirements/dev.txt >$(VENV)/pip.txt
	$(INSTALL) --require-hashes -r $(VENV)/pip.txt
	$(INSTALL) --require-hashes -r requirements/build.txt -r requirements/dev.txt -r requirements/compile.txt
	$(INSTALL) --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## See the main job done on local stand-ins (ARGS=--once: and end)
	@$(BIN)/keybearer demo $(ARGS)

run: $(READY) ## Serve ./config.yaml (ARGS="-c FILE")
	@$(BIN)/keybearer run $(ARGS)

test: $(READY) ## Run the tests that need nothing but PyPI
	$(BIN)/pytest -n $(WORKERS) -m "not e2e and not soak and not fuzz" --ignore=tests/e2e --ignore=tests/soak --ignore=tests/fuzz $(ARGS)

# $(call compile,PYTHON'S BIN,FOLDER): a wheel with the data plane compiled, made from a copy, for the
# compiler leaves its results beside the sources; they would be imported in their place for ever after.
define compile
	rm -rf $(2) && mkdir -p $(2)/source && cp -r $(SOURCES) $(2)/source
	cd $(2)/source && HATCH_BUILD_HOOKS_ENABLE=1 $(abspath $(1))/python -m hatchling build -t wheel -d .. >../log 2>&1 || { tail -n 20 ../log; exit 1; }
	rm -rf $(2)/source
endef

$(COMPILED)/.ready: $(READY) $(shell find proxy -name '*.py' -o -name '*.yaml')
	$(call compile,$(BIN),$(COMPILED))
	$(INSTALL) --no-index --target $(COMPILED)/lib $(COMPILED)/*.whl
	@touch $@

# The same tests against the other build, on one of the loops: no module that is compiled knows of them. With the safe path the working directory is not searched first.
compiled: $(COMPILED)/.ready ## Run the tests that send requests on the compiled build (needs a C compiler)
	@cd / && PYTHONPATH=$(abspath $(COMPILED)/lib) $(abspath $(BIN))/python -c 'import proxy.dataplane.headers as it; assert it.__file__.endswith(".so"), it.__file__'
	ON_UVLOOP_ALONE=1 PYTHONSAFEPATH=1 PYTHONPATH=$(COMPILED)/lib:. $(BIN)/python -m pytest -o pythonpath= -n $(WORKERS) -m "not e2e and not soak" --ignore=tests/integration/fidelity $(UNCOMPILED:%=--ignore-glob="*/%*") tests/integration tests/property $(ARGS)

e2e: $(READY) ## Run the tests with real tools (curl, nginx, …)
	$(BIN)/pytest -n 2 --dist loadfile -m "e2e and not soak" tests/e2e $(ARGS)

# The tests wait for much; what only computes runs beside them, and gives way to them.
check: $(READY) ## All that is correctness; this is what CI runs
	@$(MAKE) --no-print-directory -j2 $(SYNC) test aside
	@$(MAKE) --no-print-directory compiled
	@$(MAKE) --no-print-directory e2e

aside: $(READY)
	@nice $(MAKE) --no-print-directory lint types layers $(COMPILED)/.ready

lint: $(READY) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## Check types
	$(BIN)/mypy

layers: $(READY) ## Check that imports go one way
	$(BIN)/lint-imports --no-logo

fuzz: $(READY) ## Send mutated requests and answers for ten minutes (FUZZ_SECONDS=600)
	$(BIN)/pytest -s -m fuzz tests/fuzz $(ARGS)

soak: $(READY) ## Run what is timed, huge or minutes long
	$(BIN)/pytest -m soak -s $(ARGS)

instructions: $(READY) ## Count the instructions of the pure path (needs valgrind; ARGS=--update: store them)
	$(BIN)/python -m benchmarks.instructions $(ARGS)

# What is compared are release builds, so the system's interpreter comes first: it is what the image
# runs, and one built by pyenv without optimisation takes a third longer.
BENCH_PYTHON ?= $(shell for each in /usr/bin/python3 $(PYTHON); do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$each; exit; }; done)

$(BENCH): $(READY) requirements/bench.txt $(shell find proxy -name '*.py' -o -name '*.yaml')
	test -x $(BENCH_VENV)/bin/python || $(BENCH_PYTHON) -m venv --without-pip $(BENCH_VENV)
	$(BIN)/pip --python $(BENCH_VENV)/bin/python install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/bench.txt -r requirements/compile.txt
	$(call compile,$(BENCH_VENV)/bin,build/bench)
	$(BIN)/pip --python $(BENCH_VENV)/bin/python install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall build/bench/*.whl
	@touch $@

bench-quick: $(BENCH) ## Compare CPU time a request with nginx and Envoy
	$(BENCH_VENV)/bin/python -m benchmarks.quick $(ARGS)

bench: $(BENCH) ## Compare with five proxies in full, for half an hour (ARGS="--only small,latency")
	$(BENCH_VENV)/bin/python -m benchmarks.full $(ARGS)

profile: $(BENCH) ## Draw where a request's time goes (needs wrk; ARGS="--seconds 30 --native")
	$(BENCH_VENV)/bin/python -m benchmarks.profile $(ARGS)

format: $(READY) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# httpbin asks for greenlet, a version for each Python, and never imports it: one lock cannot hold it. A lock is whole,
# so it is installed without a look at what its packages ask for.
COMPILE = CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --unsafe-package greenlet --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

lock: $(READY) ## Resolve the locks anew (with Python 3.11, the oldest)
	$(COMPILE) -o requirements/run.txt pyproject.toml
	$(COMPILE) --extra gateway -c requirements/run.txt -o requirements/gateway.txt pyproject.toml
	$(COMPILE) --extra dev --extra gateway -c requirements/run.txt -c requirements/gateway.txt -o requirements/dev.txt pyproject.toml
	$(COMPILE) --extra bench -c requirements/run.txt -c requirements/dev.txt -o requirements/bench.txt pyproject.toml
	$(COMPILE) --extra compile -c requirements/run.txt -c requirements/dev.txt -o requirements/compile.txt pyproject.toml
	$(COMPILE) -c requirements/run.txt -c requirements/dev.txt -c requirements/compile.txt --only-build-deps --build-deps-for wheel --build-deps-for editable -o requirements/build.txt pyproject.toml

image: ## Build the container image without Docker, run it and check it (needs root and apt)
	bash deploy/image.sh

clean: ## Remove what was made
	rm -rf $(VENV) $(BENCH_VENV) build dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
