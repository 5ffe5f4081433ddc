# `make` lists the targets. Needs GNU make and Python 3.11 or newer, nothing else:
# everything is installed into .venv from requirements.lock, with hashes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV ?= $(BIN)/uv
LOCK_FLAGS ?=
# Errors only: pip also warns of whatever odd settings a machine has.
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input

# Stamps. LOCKED: .venv holds what the lock says and nothing else; without its resolver
# (the lock is whole, `pip check` sees to that), for under --require-hashes pip 23 takes
# `coverage[toml]` for unpinned once a newer coverage is out. INSTALLED: rollproof itself
# is there too, editable. SLOW: and the second solver.
LOCKED := $(VENV)/.locked
INSTALLED := $(VENV)/.installed
SLOW := $(VENV)/.slow

# Phases follow one another, also under -j: the tests' summary comes last.
.NOTPARALLEL:
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: $(INSTALLED) ## make .venv (again, where the lock has changed); PYTHON=... picks the interpreter

$(LOCKED): requirements.lock
	@command -v '$(PYTHON)' > /dev/null || { \
	  echo 'setup: there is no "$(PYTHON)"; rollproof needs Python 3.11 or newer. Name one: make setup PYTHON=python3.12' >&2; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'setup: rollproof needs Python 3.11 or newer, and "$(PYTHON)" is' "$$('$(PYTHON)' --version 2>&1)." 'Name another: make setup PYTHON=python3.12' >&2; exit 1; }
	@echo "setup: $(VENV) from requirements.lock, with $$('$(PYTHON)' --version)"
	@'$(PYTHON)' -m venv --clear $(VENV)
	@$(PIP) install --require-hashes --no-deps -r requirements.lock
	@$(PIP) check
	@touch $@

$(INSTALLED): $(LOCKED) pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(SLOW): $(INSTALLED)
	@echo 'setup: the group "slow"'
	@$(UV) pip install --quiet --python $(BIN)/python --group slow
	@touch $@

.PHONY: demo
demo: $(INSTALLED) ## watch a run upgrade a small fleet
	@$(BIN)/python -m rollproof.cli.demo

.PHONY: test
test: lint types unit ## lint, types, tests and the coverage of the pure core

.PHONY: lint
lint: $(INSTALLED) ## ruff: rules and format
	@echo 'lint: ruff'
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { \
	  $(BIN)/ruff format --check; echo 'lint: `make format` would fix the above' >&2; exit 1; }

.PHONY: types
types: $(INSTALLED) ## mypy --strict
	@echo 'types: mypy'
	@$(BIN)/mypy --no-error-summary

# `pytest`, not `python -m pytest`, which would put this folder on the path. What
# must be covered whole, and is, or pytest fails: pyproject.toml, coverage.report.
.PHONY: unit
unit: $(INSTALLED) ## pytest, with the coverage of the pure core
	@echo 'unit: pytest'
	@$(BIN)/pytest --no-header --numprocesses=2 --dist=loadfile --cov --cov-report=term

.PHONY: check-slow
check-slow: $(SLOW) ## what takes minutes: tests marked slow, the second solver
	@echo 'check-slow: pytest -m slow'
	@$(BIN)/pytest --no-header -m slow --timeout=3600

.PHONY: bench
bench: $(INSTALLED) ## time the explorer, the proofs and the step
	@$(BIN)/python -m rollproof_checks.bench

# Elsewhere than in the checkout, with base dependencies only, at the lock's
# versions: finds a file missing from the wheel and an import that an extra brings.
.PHONY: wheel-test
wheel-test: $(INSTALLED) ## build the wheel and try it in a new environment
	@echo 'wheel-test: build, install, import'
	@set -eu; new=$$(mktemp -d); trap 'rm -rf "$$new"' EXIT; \
	  $(BIN)/python -m build --no-isolation --outdir "$$new" . > "$$new/log" 2>&1 \
	    || { cat "$$new/log" >&2; exit 1; }; \
	  $(BIN)/python -m venv --without-pip "$$new/venv"; \
	  $(UV) pip install --quiet --python "$$new/venv/bin/python" \
	    --constraint requirements.lock "$$new"/*.whl; \
	  cd "$$new"; \
	  venv/bin/python -I -c 'import importlib; from importlib.resources import files; names = ["rollproof", "rollproof_spec", "rollproof_checks"]; [importlib.import_module(n) for n in names]; missing = [n for n in names if not files(n).joinpath("py.typed").is_file()]; assert not missing, missing'; \
	  venv/bin/rollproof --help > /dev/null

.PHONY: format
format: $(INSTALLED) ## let ruff rewrite what it can
	@echo 'format: ruff'
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format --quiet

# Keeps the pins that still fit; `make lock LOCK_FLAGS=--upgrade` takes the newest.
# Any uv will do where there is no .venv: `make lock UV=uv`.
.PHONY: lock
lock: $(if $(filter $(BIN)/%,$(UV)),$(LOCKED)) ## write requirements.lock anew from pyproject.toml
	@echo 'lock: requirements.lock'
	@$(UV) pip compile pyproject.toml --extra checks --extra metrics --extra otel --group dev \
	  --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --quiet \
	  --output-file requirements.lock $(LOCK_FLAGS) > /dev/null

.PHONY: clean
clean: ## remove .venv and whatever the tools left behind
	@rm -rf $(VENV) .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	@find core spec checks tests -name __pycache__ -type d -prune -exec rm -rf {} + 2> /dev/null || true
