# Every target sets up what it needs: a virtual environment in .venv with the project installed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-pythons test-bare lint conformance soak bench profile clean

demo: .venv/.runtime
	rm -rf .demo
	$(BIN)/log-importer import --local --state-dir .demo sample_logs

test: .venv/.dev
	$(BIN)/pytest -n auto

test-pythons:
	$(PYTHON) -m tests.machines pythons

test-bare:
	$(PYTHON) -m tests.machines bare

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.spark/.ready: pyproject.toml
	test -x .spark/bin/python || $(PYTHON) -m venv .spark
	.spark/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[remote,spark]' pytest
	touch $@

soak: .venv/.dev
	SOAK=1 $(BIN)/pytest -n auto -m soak -x -rP
	$(PYTHON) -m tests.machines busy

bench: .venv/.dev .spark/.ready
	$(BIN)/python -m bench.speed
	$(BIN)/python -m bench.receiver
	$(BIN)/python -m bench.report
	$(BIN)/python -m bench.ledger
	$(BIN)/python -m bench.server_cost
	$(BIN)/python -m bench.memory
	$(BIN)/python -m bench.hostile
	$(BIN)/python -m bench.follow
	$(BIN)/python -m bench.faults
	$(BIN)/python -m bench.scale
	.spark/bin/python -m bench.spark

profile: .venv/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[profile]'
	$(BIN)/python -m bench.profile

FILE ?= tests/data/matomo-exchanges/exchanges.jsonl
conformance: .venv/.dev
	@$(BIN)/python -m tests.conformance $(FILE)

clean:
	rm -rf .venv .spark .axe .demo build dist

.venv/.runtime: pyproject.toml $(wildcard log_importer/native/*.[ch]) log_importer/native/build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "log-importer needs Python 3.11 or later; name one with: make PYTHON=/path/to/python3")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/.dev: .venv/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
