# `make demo` and `make test` set everything up from a bare python3 (3.11 or later) and make, and run.
# PYTHON=/path/to/python3.13 chooses the interpreter of .venv.
SHELL := /bin/sh
UV_VERSION := 0.13.9
export UV_PYTHON_DOWNLOADS := never
export MATURIN_NO_INSTALL_RUST := 1
export MATURIN_PEP517_ARGS := --locked
export UV_LINK_MODE := copy

VENV := .venv
BIN := $(VENV)/bin
UV := $(VENV)/tools/bin/uv
INSTALL := VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet
DISTRIBUTIONS := . libs/dvid-voxels libs/dvid-labels $(wildcard plugins/dvid-*)
PYPROJECTS := pyproject.toml $(wildcard libs/*/pyproject.toml plugins/*/pyproject.toml)
# Once cargo comes, the kernels are built.
KERNELS := $(VENV)/.kernels$(if $(shell cargo --version 2>/dev/null),,-without-cargo)
KERNEL_SOURCES := $(wildcard libs/dvid-kernels/src/*.rs libs/dvid-kernels/Cargo.*)
PYTEST := $(BIN)/pytest -q -n 2
QUICK := not slow and not crash and not fuzz
DEMO_DATA ?= dvid-demo
PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: docs format help demo install test lint types unit long twins nightly wheels tox lock clean kernels

help: ## show this
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

# ---------------------------------------------------------------- setting up

$(UV): Makefile
	@scripts/make-venv $(VENV) $(UV_VERSION)

$(VENV)/.demo: requirements-demo.lock build.lock $(PYPROJECTS) | $(UV)
	@$(INSTALL) -r requirements-demo.lock
	@$(INSTALL) --no-deps --build-constraints build.lock $(patsubst %,-e %,$(DISTRIBUTIONS))
	@touch $@

$(VENV)/.install: $(VENV)/.demo requirements.lock
	@$(INSTALL) -r requirements.lock
	@touch $@

# The native kernels are an extra: without cargo, or where they don't build, the numpy twins run.
$(VENV)/.kernels: $(KERNEL_SOURCES) build.lock | $(UV)
	@echo "building the native kernels (a minute, once)"
	@$(INSTALL) --no-deps --reinstall --build-constraints build.lock ./libs/dvid-kernels \
		|| echo "the native kernels did not build: the slower numpy twins run instead"
	@touch $@

$(VENV)/.kernels-without-cargo: | $(UV)
	@echo "no cargo here: the numpy twins of the native kernels run, which are slower"
	@touch $@

kernels: $(KERNELS)

install: $(VENV)/.install $(KERNELS) ## everything into .venv

demo: $(VENV)/.demo $(KERNELS) ## a server with a demo repo
	@exec $(BIN)/dvid demo --data $(DEMO_DATA) --port $(PORT)

# ---------------------------------------------------------------- checking

lint: install ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --exclude '*.md' .

format: install ## bring the code into the one format
	@$(BIN)/ruff check --quiet --fix --select I .
	@$(BIN)/ruff format --exclude '*.md' .

types: install ## mypy, strict
	@$(BIN)/mypy

unit: install ## the tests that are quick
	@$(PYTEST) -m "$(QUICK)"

test: lint types unit ## all checks and tests that are quick

long: install ## the tests that are not quick: slow, crash, fuzz
	@$(PYTEST) -m "(slow or crash or fuzz) and not kafka"
	@$(BIN)/pytest -q -m kafka tests/kafka

twins: install ## what the native kernels do when they are there, in numpy
	@$(PYTEST) -m "$(QUICK)" libs plugins/dvid-imageblk plugins/dvid-labelmap

nightly: install ## the long sizes of the model, crash and fuzz tests
	@DVID_MODEL_EXAMPLES=1000 DVID_MODEL_STEPS=500 DVID_CRASH_CYCLES=20 DVID_FUZZ_COUNT=1000000 \
		DVID_KAFKA_MUTATIONS=100000 DVID_MIXED_KILLS=50 DVID_BACKLOG=100000 DVID_CLEAN_STOPS=100 \
		DVID_POWER_CUTS=2000 DVID_FLIPS=1000 DVID_FULL_POINTS=200 DVID_FULL_ROUNDS=20 DVID_FAILING_CALLS=all \
		DVID_BODY_EXAMPLES=500 DVID_BODY_STEPS=200 \
		DVID_PROOFREADING_RUNS=20 DVID_PROOFREADING_CYCLES=100 \
		$(BIN)/pytest -q --timeout 0

# ---------------------------------------------------------------- distributions

wheels: $(UV) ## every wheel once, into dist/
	@rm -rf dist && mkdir dist
	@for project in $(DISTRIBUTIONS); do \
		$(UV) build --quiet --wheel --build-constraints build.lock --out-dir dist $$project || exit 1; done
	@[ -n "$(findstring without,$(KERNELS))" ] && echo "no cargo here: no wheel of the native kernels" || \
		$(UV) build --quiet --wheel --build-constraints build.lock --out-dir dist libs/dvid-kernels
	@$(BIN)/python scripts/wheel-requirements dist
	@ls dist/*.whl

tox: install wheels ## each plugin alone, from the wheels
	@$(BIN)/tox run

docs: install ## the documents as pages, into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

lock: $(UV) ## pin the newest versions that fit
	@scripts/lock $(UV)

clean: ## remove what was built
	rm -rf $(VENV) dist site .tox .mypy_cache .ruff_cache .pytest_cache .hypothesis
