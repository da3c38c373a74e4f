# Every task of the project. `make` lists them, `make check` is what CI runs.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The interpreter that makes the virtual environment.
PYTHON ?= python3
# Parallel test processes, two a core, as each waits for its own PostgreSQL half of the time; 0 runs
# all in one, as a debugger needs it.
WORKERS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
# Rounds of the crash trial, one fault each.
ROUNDS ?= 60
# Passed on to pytest, `ledger bench` or the crash trial.
ARGS ?=

BIN := .venv/bin
# Removed by `make clean`, renewed when what is installed should change.
STAMP := .venv/.installed

# Tools of the environment never fetch an interpreter or a node of their own.
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Trust the certificates that the machine trusts (a company's proxy, say) where it has a bundle of them.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS ?= true
endif

# Compiled modules are kept: the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Settings: PYTHON=python3.13 (setup)  ONCE=1 (demo)  ARGS='-k orders' WORKERS=0 (test)  ROUNDS=6 (soak)"

.PHONY: setup
setup: $(STAMP) ## Make .venv and install exactly what requirements.lock says

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
	  echo "Ledger needs Python 3.11 or newer, and there is no $(PYTHON) here. Install it, or name yours: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Ledger needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1). Name a newer one: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: its venv module is missing. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@# uv itself comes from the lock, hashes checked: its lines are cut out of the file.
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock.txt
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r .venv/uv.lock.txt
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: setup ## Play a believable shop and keep serving (ONCE=1: stop at its end)
	@$(BIN)/ledger demo $(if $(ONCE),--once)

.PHONY: demo-cluster
demo-cluster: setup ## Seal a log into a bucket, rebuild it on a cluster, kill a worker (two minutes)
	@$(BIN)/python -m tests.cluster_demo

.PHONY: test
test: setup ## Run the tests against a real PostgreSQL that they start (ARGS=…, WORKERS=…)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --durations 10 $(ARGS)

# Ray and Spark are large and change what else is installed, so they have an environment of their own.
ENGINES := build/engines

.PHONY: test-engines
test-engines: setup ## Run the tests of clusters on Ray and Spark too (needs Java 17, downloads 700 MB)
	@[ -x $(ENGINES)/bin/python ] || $(BIN)/uv venv --quiet --python $(BIN)/python $(ENGINES)
	@$(BIN)/uv pip install --quiet --python $(ENGINES)/bin/python --group dev --editable '.[ray,spark]'
	@$(ENGINES)/bin/python -m pytest tests/projections/engine/test_clusters.py $(ARGS)

.PHONY: check
check: setup ## Everything that CI runs
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint types contract docs-check compiled
	@$(MAKE) --no-print-directory test

# Test modules are compiled once, beside what needs one core, and not by each worker.
.PHONY: compiled
compiled: setup
	@$(BIN)/python -m pytest --collect-only -q -n 0 | tail -1

.PHONY: format
format: setup ## Format the code and apply safe lint fixes
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: lint
lint: setup ## Check lint rules and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: types
types: setup ## Check the types (strict in src)
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

.PHONY: contract
contract: setup ## Check that imports go downhill only
	@$(BIN)/lint-imports --no-logo

.PHONY: docs
docs: setup ## Regenerate the generated pages of docs/
	@$(BIN)/ledger docs

.PHONY: docs-site
docs-site: docs ## Build docs/ as a site in build/site: a broken link or a warning ends it
	@$(BIN)/python -m zensical build --strict --clean
	@echo "Open build/site/index.html"

.PHONY: docs-check
docs-check: setup ## Check that the generated pages are fresh
	@$(BIN)/ledger docs --check

.PHONY: screenshots
screenshots: setup ## Take the pictures of docs/images again, in the demo's world (needs Chromium)
	@$(BIN)/python -m tests.console.browser.screenshots

.PHONY: bench
bench: setup ## Measure speed, as docs/performance.md reports it (ARGS=…)
	@$(BIN)/ledger bench $(ARGS)

.PHONY: books-check
books-check: setup ## Let Beancount and hledger check a journal of 100,000 entries (ARGS='--entries …')
	@$(BIN)/python -m tests.books $(ARGS)

.PHONY: soak
soak: setup ## Kill, stop and cut services and PostgreSQL under load; nothing may be lost (ROUNDS=…)
	@$(BIN)/python -m tests.soak --rounds $(ROUNDS) $(ARGS)

.PHONY: audit
audit: setup ## Ask PyPI's advisory service about every locked dependency (needs the network)
	@$(BIN)/uv tool run --quiet pip-audit@2.9.0 --requirement requirements.lock --require-hashes \
	  --disable-pip --strict --progress-spinner off || { code=$$?; \
	  echo "Not clean. Where it says \"could not be audited\" or names a connection, the advisory service" \
	    "was not reached from here, and nothing was audited." >&2; exit $$code; }

.PHONY: lock
lock: setup ## Write requirements.lock again (ARGS=--upgrade for newer releases)
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet --output-file requirements.lock $(ARGS)

.PHONY: clean
clean: ## Remove the environment, caches and builds (data in .ledger stays)
	rm -rf .venv build dist .cache .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
