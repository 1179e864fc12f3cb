# Duebook needs Python 3.11 to 3.13, make and the package index; nothing else.
# Another interpreter than the first suitable one found: make PYTHON=/path/to/python3.12 run

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help install run test check docs soak bench lock clean

VENV := .venv
BIN := $(VENV)/bin
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header

# Tests run in as many processes as there are cores, four at most, each with a database server of its own.
PARALLEL := --numprocesses logical --maxprocesses 4 --dist worksteal

# Installed files must be readable by the system user that runs the embedded database when make is run by root.
PIP := umask 022 && PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip --quiet

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.runtime $(VENV)/.development ## Create .venv and install Duebook, its dependencies and the tools

run: $(VENV)/.runtime ## Start everything with a demo tenant: database, API, dashboard, worker, clock
	@exec $(BIN)/duebook up --demo

test: $(VENV)/.development ## Run every test except the slow proofs
	$(BIN)/python -m pytest $(PARALLEL) -m "not soak and not bench"

check: $(VENV)/.development ## Lint, formatting, types, layers, documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/docs/test_reference*.py

docs: $(VENV)/.development ## Write the parts of docs/reference that come from the code
	$(BIN)/python -m tests.docs

soak: $(VENV)/.development ## Run the slow proofs: kills, races, long histories
	$(BIN)/python -m pytest $(PARALLEL) -m soak

bench: $(VENV)/.development ## Measure; prints a table and writes build/bench.json
	$(BIN)/python -m tests.bench

lock: $(VENV)/.runtime ## Choose new versions of the dependencies and write them with their hashes
	$(PIP) install uv
	$(UV_COMPILE) --upgrade --output-file requirements.lock pyproject.toml requirements-build.in
	$(UV_COMPILE) --upgrade --output-file requirements-dev.lock --extra dev \
		--constraint requirements.lock pyproject.toml requirements-build.in

clean: ## Remove what was built and installed; the ledger in ./var stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@set -e; \
	suitable='import ensurepip, sys, venv; sys.exit(not ((3, 11) <= sys.version_info < (3, 14)))'; \
	chosen='$(PYTHON)'; \
	if [ -z "$$chosen" ]; then \
		for name in python3 python3.13 python3.12 python3.11; do \
			if "$$name" -c "$$suitable" >/dev/null 2>&1; then chosen=$$name; break; fi; \
		done; \
	fi; \
	if [ -z "$$chosen" ] || ! "$$chosen" -c "$$suitable" >/dev/null 2>&1; then \
		chosen=$${chosen:-python3}; \
		found=$$("$$chosen" --version 2>/dev/null) || found="not an interpreter"; \
		echo "Duebook needs Python 3.11, 3.12 or 3.13 with venv (on Debian: apt install python3-venv);" \
			"$$chosen is $$found. Another one: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi; \
	umask 022; rm -rf $(VENV); "$$chosen" -m venv $(VENV); touch $@

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/.created
	@echo "Installing Duebook into $(VENV)"
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.development: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing the tools for tests and checks into $(VENV)"
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@touch $@
