# One recipe per task; the README, .ci/run and a developer's shell call the same ones.
# Every target sets up what it needs first: see dev-tools/bootstrap.sh.

.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
SOURCES := src dev-tools/src tests
# Number of test processes.
WORKERS ?= 2
# Arguments for pytest: make test ARGS="tests/unit -k money".
ARGS ?=

.PHONY: help setup demo test check format lint types architecture revisions fingerprint audit fuzz bench faults clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv as uv.lock says (the other targets do so themselves)
	@dev-tools/bootstrap.sh dev

# Make hands DEMO_BASKETS=N and DEMO_EXIT=1 to the demo's environment by itself.
demo: ## sell a real shop's baskets on a real PostgreSQL; DEMO_BASKETS=N for more, DEMO_EXIT=1 to stop afterwards
	@dev-tools/bootstrap.sh demo
	@$(BIN)/ibex-sandbox run -- $(BIN)/python -m ibex_devtools.demo

test: setup ## run the tests, on a PostgreSQL of their own; ARGS="..." for pytest
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

check: lint types architecture revisions ## formatting, lint, types, direction of imports, SQL of the revisions

format: setup ## format the code and mend what can be mended
	@$(BIN)/ruff check --fix --exit-zero --quiet $(SOURCES) migrations
	@$(BIN)/ruff format $(SOURCES) migrations

lint: setup ## formatting and lint alone
	@$(BIN)/ruff format --check $(SOURCES) migrations
	@$(BIN)/ruff check $(SOURCES) migrations

types: setup ## types alone
	@$(BIN)/mypy $(SOURCES) migrations

architecture: setup ## the rules of the architecture alone: direction of imports, and what tests/architecture finds
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q -p no:xdist -p no:hypothesispytest tests/architecture

revisions: setup ## lint the SQL of the revisions alone, with squawk
	@$(BIN)/python -m ibex_devtools.lint_migrations

fingerprint: setup ## write migrations/fingerprint.json anew, after a revision was added or changed
	@$(BIN)/ibex-sandbox run -- sh -c '$(BIN)/ibex migrate deploy && $(BIN)/ibex migrate fingerprint'

audit: setup ## known vulnerabilities of what is shipped, and secrets in what is tracked
	@PATH="$$PWD/.tools/bin:$$PATH" $(BIN)/python -m ibex_devtools.audit

fuzz: setup ## schemathesis over every route (FUZZ=N requests for each, default 100), hypothesis over every parser
	@$(BIN)/python -m pytest -n 0 -s --fuzz-examples=$(or $(FUZZ),100) --timeout=5400 tests/api/test_contract.py -k surprises
	@$(BIN)/python -m pytest -n 0 -s --fuzz-examples=$(or $(FUZZ),100) --timeout=5400 tests/unit/fuzz

bench: ## measure the hot paths next to what the database alone can do; ARGS="--quick" for some minutes instead of half an hour
	@dev-tools/bootstrap.sh bench
	@$(BIN)/python -m ibex_devtools.bench $(ARGS)

faults: setup ## the whole fault suite, half an hour: lost connections, killed servers, overload; writes docs/RELIABILITY.md
	@$(BIN)/python -m ibex_devtools.neon.pgbouncer || echo "Without it the tests through a pooler are skipped."
	@$(BIN)/python -m pytest --faults=full --write-table tests/faults $(ARGS)

clean: ## remove everything that was made: .venv, .tools, caches
	@rm -rf .venv .venv-bench .tools .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist build
	@find $(SOURCES) migrations -name __pycache__ -type d -prune -exec rm -rf {} +
