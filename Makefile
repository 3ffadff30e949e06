# Everything a fresh machine with Python needs: `make` lists it. Paths in here are relative, so the directory may be called anything.
# Installation runs only when a lock file, pyproject.toml or the place of the directory has changed since the last time.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
ifndef side_by_side
.NOTPARALLEL:
endif

# The first Python that was built with optimisation, as those of distributions are (pyenv builds without, unless told:
# everything takes a fifth more processor time there), and has its headers; else the first that can be used. Or say:
# make run PYTHON=/opt/python/bin/python3
suits := import sys; from pathlib import Path; from sysconfig import get_config_var, get_path; how = sys.argv[1]; \
	how == "new" or (__import__("venv"), __import__("ensurepip")); \
	optimised = sys.base_prefix == "/usr" or "--enable-optimizations" in (get_config_var("CONFIG_ARGS") or ""); \
	fast = optimised and Path(get_path("include"), "Python.h").exists(); \
	sys.exit(sys.version_info < (3, 11) or (how == "fast" and not fast))
PYTHON ?= $(shell for how in fast usable new; do \
	for python in python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c '$(suits)' "$$how" 2>/dev/null && { echo "$$python"; break 2; }; done; done)
UV ?= $(shell command -v uv || echo .venv/bin/uv)
ARGS ?=

venv := .venv/bin/python
place := $(shell pwd | cksum | cut -d ' ' -f 1)
installed := .venv/.installed-$(place)
installed_tests := .venv/.installed-tests-$(place)
peers := tests/peers/node_modules/.installed
pip := "$(venv)" -m pip --disable-pip-version-check --quiet
compile := "$(UV)" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock' $(UPGRADE)

.PHONY: help
help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile | while IFS= read -r line; do \
		printf '  make %-10s %s\n' "$${line%%: *}" "$${line#*: }"; done
	@echo 'ARGS="…" is passed on: make demo ARGS="--rate 5", make test ARGS="-k listener"'

.PHONY: demo
demo: $(installed) ## try it: embedded Postgres, a simulated TMF656 server and the bridge, until Ctrl-C
	@exec "$(venv)" -m bridge demo $(ARGS)

.PHONY: run
run: $(installed) ## run the bridge with ./bridge.toml
	@exec "$(venv)" -m bridge run $(ARGS)

.PHONY: install
install: $(installed) ## only install, into .venv

# One more than there are cores, of which a machine for CI has two: half of the time a test waits for what it started.
workers ?= 3

.PHONY: test
test: check $(peers) ## all checks, then all tests but the long ones
	"$(venv)" -m pytest -n $(workers) --dist worksteal -m 'not long' $(ARGS)

.PHONY: test-long
test-long: $(installed_tests) $(peers) ## the tests that take minutes
	"$(venv)" -m pytest -m long $(ARGS)

.PHONY: bench bench-long
bench: $(installed_tests) ## measure the speed against peers, in under ten minutes
	"$(venv)" -m tests.bench $(ARGS)

bench-long: $(installed_tests) ## measure what needs much data or time
	"$(venv)" -m tests.bench --long $(ARGS)

checks := check-sql check-types check-security check-style check-layers
.PHONY: check $(checks)
check: $(installed_tests) ## style, types, layers and SQL, side by side; make -k check goes on after a finding
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target side_by_side=yes $(checks)

check-style: $(installed_tests)
	"$(venv)" -m ruff check .
	"$(venv)" -m ruff format --check .

check-types: $(installed_tests)
	"$(venv)" -m mypy

check-layers: $(installed_tests)
	"$(venv)" .venv/bin/lint-imports --no-logo

check-sql: $(installed_tests)
	PYTHONWARNINGS=ignore:resource_tracker "$(venv)" -m sqlfluff lint --processes 0 --disable-progress-bar sql
	.venv/bin/squawk sql/migrations/*.sql

# What is skipped, and why, stands in pyproject.toml.
check-security: $(installed_tests)
	"$(venv)" -m bandit --quiet --configfile pyproject.toml --recursive bridge

.PHONY: audit
audit: $(installed_tests) ## ask the advisory service about every locked dependency; needs the internet
	"$(venv)" -m pip_audit --require-hashes --disable-pip --requirement requirements.lock
	"$(venv)" -m pip_audit --require-hashes --disable-pip --requirement requirements-test.lock

SBOM ?= dist/sbom.cdx.json
.PHONY: sbom
sbom: $(installed_tests) ## the bill of materials (CycloneDX) of what is installed to run
	@mkdir -p "$(dir $(SBOM))"
	"$(venv)" -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible --output-file "$(SBOM)" requirements.lock

.PHONY: format
format: $(installed_tests) ## rewrite the Python in the style that check wants
	"$(venv)" -m ruff check --fix-only .
	"$(venv)" -m ruff format .

.PHONY: lock
lock: ## resolve the dependencies again within pyproject.toml; UPGRADE=--upgrade takes the newest of everything
	@command -v "$(UV)" >/dev/null || { echo 'make lock needs uv on the PATH: python3 -m pip install uv' >&2; exit 1; }
	$(compile) --output-file requirements.lock pyproject.toml
	$(compile) --output-file requirements-build.lock --group build --constraints requirements.lock
	$(compile) --output-file requirements-compile.lock --group build --group compile \
		--constraints requirements.lock --constraints requirements-build.lock
	$(compile) --output-file requirements-test.lock --group build --group compile --group test \
		--constraints requirements.lock --constraints requirements-compile.lock pyproject.toml
	$(compile) --output-file tests/bench/peers/dlt.lock tests/bench/peers/dlt.txt
	if command -v npm >/dev/null; then for place in tests/peers tests/bench/peers; do npm install --prefix $$place \
		--package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund; done; fi

# Writes sql/schema.sql again, after a change of sql/migrations.
.PHONY: schema
schema: $(installed)
	@"$(venv)" -m tests.schema_page sql/schema.sql

.PHONY: dashboards
dashboards: $(installed_tests) ## build grafana/dashboards/*.json from grafana/*.py, and draw their pictures
	"$(venv)" -m grafana.build
	@if command -v prometheus >/dev/null; then "$(venv)" -m grafana.render; \
		else echo 'prometheus is not here (Debian, Ubuntu: apt install prometheus): the pictures stay as they are.'; fi

.PHONY: screenshots
screenshots: $(installed_tests) ## draw the pictures of docs/console.md, with Chromium
	"$(venv)" -m tests.browser.screenshots

.PHONY: clean
clean: ## remove what was installed or built; data (.bridge) stays
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist \
		tests/peers/node_modules tests/bench/peers/node_modules
	find bridge tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment that runs, of a Python that is new enough; one that was moved or whose Python is gone is made anew.
define make_venv
if ! "$(venv)" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	if [ -z "$(PYTHON)" ]; then \
		echo 'Python 3.11 or later is needed and none was found. Debian, Ubuntu: apt install python3 python3-venv;' \
			'or name one: make PYTHON=/path/to/python3 …' >&2; exit 1; fi; \
	if ! "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		echo "Python 3.11 or later is needed; $(PYTHON) is none." >&2; exit 1; fi; \
	if ! "$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "$(PYTHON) cannot make virtual environments. Debian, Ubuntu: apt install python3-venv" >&2; exit 1; fi; \
	echo "Making .venv with $(PYTHON) …"; \
	"$(PYTHON)" -m venv --clear .venv || exit 1; \
fi
endef

$(installed): requirements.lock requirements-build.lock pyproject.toml
	@$(make_venv)
	@echo 'Installing into .venv …'
	@$(pip) install --require-hashes -r requirements.lock -r requirements-build.lock
	@$(pip) install --no-deps --no-build-isolation --no-index --editable .
	@rm -f .venv/.installed-*
	@touch "$@"

$(installed_tests): $(installed) requirements-test.lock
	@echo 'Installing what the tests need …'
	@$(pip) install --require-hashes -r requirements-test.lock
	@touch "$@"

# Servers of others to test against. Without npm these tests are skipped, which TMF656_TESTS_STRICT=true does not allow.
$(peers): tests/peers/package.json tests/peers/package-lock.json
	@if ! command -v npm >/dev/null; then \
		echo 'npm is not here: the tests against servers of others (tests/peers) will be skipped.'; \
		[ "$${TMF656_TESTS_STRICT:-}" != true ]; \
	elif npm ci --prefix tests/peers --ignore-scripts --no-audit --no-fund --loglevel error; then \
		touch "$@"; \
	else \
		echo 'npm could not install tests/peers: the tests against servers of others will be skipped.'; \
		[ "$${TMF656_TESTS_STRICT:-}" != true ]; \
	fi
