# Every task of this project. `make` alone lists them. Needs Python 3.11 or newer with venv, and git.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help demo test chaos lint format docs clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## one whole Tuesday with nothing configured (ONCE=1: end when the mail has arrived)
	@$(BIN)/newsletter demo $(if $(ONCE),--once)

test: lint ## lint, then the whole suite
	$(BIN)/pytest

chaos: $(READY) ## the long form of the chaos tests: 1,000 times kill -9, 200 times SIGTERM; half an hour
	$(BIN)/pytest -m long -s tests/chaos

lint: $(READY) ## style, types and floors
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(READY) ## write .env.example and docs/reference from the program
	$(BIN)/python scripts/reference.py

clean: ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
