# One command an intention; `make help` lists them. Everything runs from .venv, which bootstraps itself.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
WORKERS ?= 2
BRANCHES_MIN := 90
LOCKS := bootstrap run dev train

.PHONY: help bootstrap run test bench lint types protos docs train stress soak fuzz lock

help:  ## What can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

bootstrap:
	@tools/bootstrap.sh

run: bootstrap  ## Start everything on this machine, with sample data (Ctrl-C stops it; ARGS="--port-base 9000")
	@exec $(PY) -m deploy.local up $(ARGS)

test: bootstrap  ## All tests against embedded servers, with the coverage gate (ARGS="tests/unit/chassis -x")
	@mkdir -p build
	@$(PY) -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-branch \
	  --cov-report=json:build/coverage.json --cov-report= --branches-min=$(BRANCHES_MIN) $(ARGS)

bench: bootstrap  ## Every benchmark, one module a question (ONLY=match_text for one)
	@for module in $(or $(ONLY),$(basename $(notdir $(shell grep -l __main__ benchmarks/*.py)))); do \
	  echo "== benchmarks.$$module"; $(PY) -m benchmarks.$$module $(ARGS); done

lint: bootstrap  ## Ruff, its formatter, the import rules, the protos
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(VENV)/bin/lint-imports --no-logo 2>/dev/null || $(VENV)/bin/lint-imports
	@$(PY) -m tools.protos check

types: bootstrap  ## mypy, strict
	@$(PY) -m mypy

protos: bootstrap  ## Generate the modules of protos/
	@$(PY) -m tools.protos generate

docs: bootstrap  ## Generate docs/reference from the code
	@$(PY) -m tools.docs_reference generate

train:  ## Train the matcher's model anew, in an environment of its own
	@SPOTLIGHT_VENV=.venv-train tools/bootstrap.sh requirements/train.txt
	@.venv-train/bin/python -m tools.cli train $(ARGS)

stress: bootstrap  ## The long form of every proof: many seeds, kills, load that rises until it sheds (an hour or more)
	@$(PY) -m pytest -q -n 0 -m stress $(ARGS)

soak: bootstrap  ## Steady load on a running `make run` for ten minutes; fails when memory grows (ARGS="--seconds 60")
	@$(PY) -m tools.load soak $(ARGS)

fuzz: bootstrap  ## Schemathesis against the OpenAPI document of a running `make run`, ten minutes
	@$(PY) -m tools.load fuzz $(ARGS)

lock: bootstrap  ## Resolve requirements/*.in anew into hashed lock files
	@for name in $(LOCKS); do \
	  $(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --upgrade requirements/$$name.in -o requirements/$$name.txt; done
